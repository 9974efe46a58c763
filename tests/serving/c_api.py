"""Run signatures of a SavedModel through TensorFlow's C library alone: no TensorFlow for Python, nothing of ours.

python c_api.py LIBRARIES SAVED_MODEL CALLS: `CALLS` is a JSON file with the inputs of each call by their places in the
graph, texts (bytes that are no UTF-8 as surrogates) or ids, and the places of its outputs by their names. The outputs
are printed as JSON.
"""

import ctypes
import json
import pathlib
import sys

FLOAT, INT32, STRING = 1, 3, 7
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

    def tensor(self, values):
        """Make a tensor of a list of texts, or of nested lists of integers."""
        shape, flat = [], values
        while not shape or isinstance(flat[0], list):
            shape.append(len(flat if not shape else flat[0]))
            flat = [value for row in flat for value in row] if len(shape) > 1 else flat
        kind, size = (STRING, TSTRING_SIZE) if isinstance(flat[0], str) else (INT32, 4)
        sizes = (ctypes.c_int64 * len(shape))(*shape)
        library = self.library
        made = library.TF_AllocateTensor(kind, sizes, len(shape), ctypes.c_size_t(size * len(flat)))
        tensor = ctypes.c_void_p(made)
        data = library.TF_TensorData(tensor)
        if kind == INT32:
            (ctypes.c_int32 * len(flat)).from_address(data)[:] = flat
            return tensor
        for i, text in enumerate(flat):
            place, content = ctypes.c_void_p(data + i * TSTRING_SIZE), text.encode("utf-8", "surrogateescape")
            library.TF_StringInit(place)
            library.TF_StringCopy(place, content, ctypes.c_size_t(len(content)))
        return tensor

    def values(self, tensor):
        """Read a tensor of floats, integers or strings as nested lists."""
        library = self.library
        shape = [library.TF_Dim(tensor, i) for i in range(library.TF_NumDims(tensor))]
        data, kind = library.TF_TensorData(tensor), library.TF_TensorType(tensor)
        count = 1
        for size in shape:
            count *= size
        if kind in (FLOAT, INT32):
            number = ctypes.c_float if kind == FLOAT else ctypes.c_int32
            flat = list((number * count).from_address(data)) if count else []
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
        """Feed the values of a dict by their places in the graph, and fetch the places of a list."""
        feeds = (Output * len(inputs))(*(self.place(name) for name in inputs))
        fed = (ctypes.c_void_p * len(inputs))(*(self.tensor(values).value for values in inputs.values()))
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


def main(libraries, path, calls):
    session = Session(load(libraries), path)
    results = []
    for call in json.loads(pathlib.Path(calls).read_text(encoding="utf-8")):
        outputs = session.run(call["inputs"], list(call["outputs"].values()))
        results.append(dict(zip(call["outputs"], outputs, strict=True)))
    ours = [name for name in sys.modules if name.partition(".")[0] in ("tensorflow", "keras", "dmn_keras", "numpy")]
    print(json.dumps({"results": results, "modules": ours}))


if __name__ == "__main__":
    main(*sys.argv[1:])
