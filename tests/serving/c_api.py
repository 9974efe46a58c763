"""Answer questions by a SavedModel through TensorFlow's C library alone: no TensorFlow for Python, nothing of ours.

python c_api.py LIBRARIES SAVED_MODEL REQUEST: `REQUEST` is a JSON file with the names of the graph's inputs
and outputs and the texts to feed; what comes out is printed as JSON, with the milliseconds of each of some repetitions.
"""

import ctypes
import json
import pathlib
import sys
import time

FLOAT, STRING = 1, 7
TSTRING_SIZE = 24


class Output(ctypes.Structure):
    """`TF_Output`: an operation and the number of its output."""

    _fields_ = (("oper", ctypes.c_void_p), ("index", ctypes.c_int))


def load(folder):
    """Load the library and declare what its functions return and take where that is no int."""
    ctypes.CDLL(str(pathlib.Path(folder, "libtensorflow_framework.so.2")), ctypes.RTLD_GLOBAL)
    library = ctypes.CDLL(str(pathlib.Path(folder, "libtensorflow_cc.so.2")), ctypes.RTLD_GLOBAL)
    pointers = (
        "TF_NewStatus TF_NewGraph TF_NewSessionOptions TF_LoadSessionFromSavedModel TF_GraphOperationByName "
        "TF_AllocateTensor TF_TensorData"
    )
    for name in pointers.split():
        getattr(library, name).restype = ctypes.c_void_p
    library.TF_Message.restype = ctypes.c_char_p
    library.TF_Dim.restype = ctypes.c_int64
    library.TF_TensorByteSize.restype = ctypes.c_size_t
    library.TF_StringGetDataPointer.restype = ctypes.c_void_p
    library.TF_StringGetSize.restype = ctypes.c_size_t
    return library


class Session:
    """A loaded SavedModel."""

    def __init__(self, library, path):
        self.library = library
        self.status = ctypes.c_void_p(library.TF_NewStatus())
        self.graph = ctypes.c_void_p(library.TF_NewGraph())
        options = ctypes.c_void_p(library.TF_NewSessionOptions())
        tags = (ctypes.c_char_p * 1)(b"serve")
        session = library.TF_LoadSessionFromSavedModel(
            options, None, str(path).encode(), tags, 1, self.graph, None, self.status
        )
        self.check()
        self.session = ctypes.c_void_p(session)

    def check(self):
        if self.library.TF_GetCode(self.status):
            raise RuntimeError(self.library.TF_Message(self.status).decode())

    def place(self, name):
        """Return the `TF_Output` of a name such as `serving_default_story:0`."""
        operation, _, index = name.partition(":")
        found = self.library.TF_GraphOperationByName(self.graph, operation.encode())
        if not found:
            raise RuntimeError(f"no operation {operation}")
        return Output(found, int(index))

    def strings(self, texts):
        """Make a tensor of strings."""
        library = self.library
        shape = (ctypes.c_int64 * 1)(len(texts))
        size = TSTRING_SIZE * len(texts)
        tensor = ctypes.c_void_p(library.TF_AllocateTensor(STRING, shape, 1, ctypes.c_size_t(size)))
        data = library.TF_TensorData(tensor)
        for i, text in enumerate(texts):
            place = ctypes.c_void_p(data + i * TSTRING_SIZE)
            library.TF_StringInit(place)
            library.TF_StringCopy(place, text.encode(), ctypes.c_size_t(len(text.encode())))
        return tensor

    def values(self, tensor):
        """Read a tensor of floats or strings as nested lists."""
        library = self.library
        shape = [library.TF_Dim(tensor, i) for i in range(library.TF_NumDims(tensor))]
        data, kind = library.TF_TensorData(tensor), library.TF_TensorType(tensor)
        count = 1
        for size in shape:
            count *= size
        if kind == FLOAT:
            flat = list((ctypes.c_float * count).from_address(data)) if count else []
        elif kind == STRING:
            flat = [self._string(data + i * TSTRING_SIZE) for i in range(count)]
        else:
            raise RuntimeError(f"a tensor of type {kind}")
        for size in reversed(shape[1:]):
            flat = [flat[i : i + size] for i in range(0, len(flat), size)] if size else [[] for _ in range(shape[0])]
        return flat

    def _string(self, address):
        place = ctypes.c_void_p(address)
        size = self.library.TF_StringGetSize(place)
        return ctypes.string_at(self.library.TF_StringGetDataPointer(place), size).decode()

    def run(self, inputs, outputs):
        """Feed texts and fetch outputs, dicts by the names of the graph's places."""
        feeds = (Output * len(inputs))(*(self.place(name) for name in inputs))
        fed = (ctypes.c_void_p * len(inputs))(*(self.strings(texts).value for texts in inputs.values()))
        fetches = (Output * len(outputs))(*(self.place(name) for name in outputs))
        fetched = (ctypes.c_void_p * len(outputs))()
        sizes = len(inputs), len(outputs)
        arguments = (feeds, fed, sizes[0], fetches, fetched, sizes[1], None, 0, None, self.status)
        self.library.TF_SessionRun(self.session, None, *arguments)
        self.check()
        for tensor in fed:
            self.library.TF_DeleteTensor(ctypes.c_void_p(tensor))
        results = [self.values(ctypes.c_void_p(tensor)) for tensor in fetched]
        for tensor in fetched:
            self.library.TF_DeleteTensor(ctypes.c_void_p(tensor))
        return results


def main(libraries, path, request):
    content = json.loads(pathlib.Path(request).read_text(encoding="utf-8"))
    session = Session(load(libraries), path)
    inputs = {content["inputs"][name]: texts for name, texts in content["texts"].items()}
    times = []
    for _ in range(content.get("repetitions", 1)):
        start = time.perf_counter()
        results = session.run(inputs, content["outputs"].values())
        times.append(1000 * (time.perf_counter() - start))
    answers = dict(zip(content["outputs"], results, strict=True))
    ours = [name for name in sys.modules if name.partition(".")[0] in ("tensorflow", "keras", "dmn_keras", "numpy")]
    print(json.dumps({"outputs": answers, "milliseconds": times, "modules": ours}))


if __name__ == "__main__":
    main(*sys.argv[1:])
