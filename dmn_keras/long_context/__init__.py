"""Long stories: the facts that matter are retrieved before the memory passes."""

from dmn_keras.long_context.story_index import Contents, StoryIndex, write_index

__all__ = ["Contents", "StoryIndex", "write_index"]
