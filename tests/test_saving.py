"""Files of arrays and of models: what comes back, atomic writing, hostile files."""

from __future__ import annotations

import json
import os
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd_nn import data, nn, saving
from autograd_nn.saving import load_arrays, save_arrays, write_atomically

DTYPES = "f8 f4 f2 i8 i4 i2 i1 u8 u4 u2 u1 ? c8".split()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 3)])
def test_arrays_come_back(tmp_path, dtype, shape):
    array = (np.arange(np.prod(shape, dtype=int)).reshape(shape) % 2).astype(dtype)
    save_arrays(tmp_path / "a", {"x": array, "other": np.array([1.5])}, {"note": "größe"})
    arrays, metadata = load_arrays(tmp_path / "a")
    assert arrays["x"].dtype == array.dtype and arrays["x"].shape == shape
    assert np.array_equal(arrays["x"], array) and metadata == {"note": "größe"}
    arrays["x"][...] = 1  # an array of one's own


def test_special_numbers_come_back_bit_for_bit(tmp_path):
    x = np.array([np.nan, -0.0, np.inf, 5e-324])
    save_arrays(tmp_path / "a", {"x": x})
    assert load_arrays(tmp_path / "a")[0]["x"].tobytes() == x.tobytes()


def test_strided_and_big_endian_arrays_come_back(tmp_path):
    x = np.arange(12.0).reshape(3, 4)
    save_arrays(tmp_path / "a", {"t": x.T, "r": x[::-1, ::2], "b": x.astype(">f8")})
    arrays, _ = load_arrays(tmp_path / "a")
    assert np.array_equal(arrays["t"], x.T) and np.array_equal(arrays["r"], x[::-1, ::2])
    assert np.array_equal(arrays["b"], x)


def test_the_bytes_are_those_of_the_format(tmp_path):
    """By hand, from the description of the format."""
    save_arrays(tmp_path / "a", {"w": np.array([[1.0, 2.0]], np.float32)}, {"k": "v"})
    raw = (tmp_path / "a").read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    assert length % 8 == 0
    assert json.loads(raw[8 : 8 + length]) == {
        "__metadata__": {"k": "v"},
        "w": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]},
    }
    assert raw[8 + length :] == struct.pack("<ff", 1.0, 2.0)


def test_numbers_of_bfloat16_become_float32(tmp_path):
    """By hand: the sign, 8 bits of exponent, and 7 of the fraction."""
    known = {0x3F80: 1.0, 0xC000: -2.0, 0x4049: 3.140625, 0x0080: 2.0**-126, 0x7F80: np.inf, 0x8000: -0.0}
    header = {"w": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}}
    (tmp_path / "a").write_bytes(forged(header, struct.pack("<6H", *known)))
    found = load_arrays(tmp_path / "a")[0]["w"]
    assert found.dtype == np.float32 and found.shape == (2, 3)
    assert found.tobytes() == np.array(list(known.values()), np.float32).tobytes()
    found[...] = 1
    (tmp_path / "a").write_bytes(forged(header, bytes(24)))
    with pytest.raises(ValueError, match="BF16 takes 12 bytes|something was added"):
        load_arrays(tmp_path / "a")


def test_arrays_are_aligned(tmp_path):
    save_arrays(tmp_path / "a", {"byte": np.ones(3, np.int8), "double": np.ones(2), "half": np.ones(1, np.float16)})
    raw = (tmp_path / "a").read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    assert header["double"]["data_offsets"][0] % 8 == 0 and header["half"]["data_offsets"][0] % 2 == 0


@pytest.mark.parametrize(
    ("arrays", "metadata"),
    [
        ({"x": np.array(["text"])}, None),
        ({"x": np.array([object()])}, None),
        ({"x": np.array([1j], complex)}, None),
        ({1: np.ones(1)}, None),
        ({"__metadata__": np.ones(1)}, None),
        ({"x": np.ones(1)}, {"k": 1}),
        ({"\ud800": np.ones(1)}, None),
        ({"x": np.ones(1)}, {"k": "\udc80"}),
    ],
)
def test_what_the_format_cannot_hold_is_refused_and_the_old_file_stays(tmp_path, arrays, metadata):
    path = tmp_path / "a"
    save_arrays(path, {"old": np.ones(2)})
    with pytest.raises(TypeError, match="save_arrays"):
        save_arrays(path, arrays, metadata)
    assert "old" in load_arrays(path)[0]
    assert os.listdir(tmp_path) == ["a"]


def test_a_failure_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "a"
    save_arrays(path, {"old": np.ones(2)})

    def parts():
        yield b"half a file"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, parts())
    assert os.listdir(tmp_path) == ["a"] and "old" in load_arrays(path)[0]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError):
        save_arrays(tmp_path / "nowhere" / "a", {})


def test_a_link_is_followed(tmp_path):
    save_arrays(tmp_path / "real", {"x": np.ones(1)})
    (tmp_path / "link").symlink_to(tmp_path / "real")
    save_arrays(tmp_path / "link", {"x": np.zeros(1)})
    assert (tmp_path / "link").is_symlink() and load_arrays(tmp_path / "real")[0]["x"][0] == 0


def forged(header, data=b"", length=None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(begin, end, shape=(1,), dtype="F64"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


HOSTILE = {
    "empty file": (b"", "has 0 bytes"),
    "no header": (b"1234567", "has 7 bytes"),
    "absurd header length": (forged({}, length=2**63), "header is said to have"),
    "header longer than the file": (forged({}, length=3), "said to have 3 bytes"),
    "pickle": (b"\x80\x04\x95\x10\x00\x00\x00\x00" * 4, "header is said to have"),
    "no object": (forged(b"[1, 2]"), "no JSON object"),
    "no JSON": (forged(b"{'x': 1}"), "no JSON"),
    "no UTF-8": (forged(b'{"\xff": 1}'), "no UTF-8"),
    "deep nesting": (forged(b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "nested too deeply"),
    "long number": (forged(b'{"x":' + b"9" * 10_000 + b"}"), "limit"),
    "duplicate names": (forged(b'{"x": 1, "x": 2}'), "'x' stands twice"),
    "duplicate keys of an entry": (forged(b'{"x": {"dtype": "F64", "dtype": "F32"}}'), "'dtype' stands twice"),
    "metadata of numbers": (forged({"__metadata__": {"a": 1}}), "texts by name"),
    "metadata that is a list": (forged({"__metadata__": []}), "texts by name"),
    "no entry": (forged({"x": 1}), "wanted the entries"),
    "more in an entry": (forged({"x": entry(0, 8) | {"code": "x"}}, bytes(8)), "wanted the entries"),
    "unknown dtype": (forged({"x": entry(0, 8, dtype="object")}, bytes(8)), "dtype 'object'"),
    "dtype that is no text": (forged({"x": entry(0, 8, dtype=["F64"])}, bytes(8)), "dtype"),
    "negative shape": (forged({"x": entry(0, 8, shape=(-1,))}, bytes(8)), "not negative"),
    "shape of truth": (forged({"x": entry(0, 8, shape=(True,))}, bytes(8)), "not negative"),
    "shape that is a number": (forged({"x": entry(0, 8) | {"shape": 1}}, bytes(8)), "not negative"),
    "too many axes": (forged({"x": entry(0, 8, shape=[1] * 65)}, bytes(8)), "not negative"),
    "huge shape": (forged({"x": entry(0, 8, shape=(2**40, 2**40))}, bytes(8)), "takes"),
    "product that overflows to zero": (forged({"x": entry(0, 0, shape=(2**32, 2**32))}), "takes"),
    "float offsets": (forged({"x": entry(0.0, 8.0)}, bytes(8)), "data_offsets"),
    "three offsets": (forged({"x": entry(0, 8) | {"data_offsets": [0, 8, 8]}}, bytes(8)), "data_offsets"),
    "offsets that do not fit the shape": (forged({"x": entry(0, 7)}, bytes(7)), "takes 8 bytes"),
    "offsets backwards": (forged({"x": entry(8, 0)}, bytes(8)), "takes 8 bytes"),
    "truncated": (forged({"x": entry(0, 8)}, bytes(7)), "truncated"),
    "something added": (forged({"x": entry(0, 8)}, bytes(9)), "something was added"),
    "overlap": (forged({"x": entry(0, 8), "y": entry(4, 12)}, bytes(12)), "overlaps"),
    "the same bytes twice": (forged({"x": entry(0, 8), "y": entry(0, 8)}, bytes(8)), "overlaps"),
    "gap": (forged({"x": entry(0, 8), "y": entry(16, 24)}, bytes(24)), "gap"),
    "gap at the start": (forged({"x": entry(8, 16)}, bytes(16)), "gap"),
    "bool of 2": (forged({"x": entry(0, 1, dtype="BOOL")}, b"\x02"), "other than 0 and 1"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(tmp_path, name):
    raw, message = HOSTILE[name]
    (tmp_path / "a").write_bytes(raw)
    with pytest.raises(ValueError, match=message):
        load_arrays(tmp_path / "a")


def test_a_header_above_the_limit_is_not_read(tmp_path, monkeypatch):
    save_arrays(tmp_path / "a", {"x" * 100: np.ones(1)})
    monkeypatch.setattr(saving, "HEADER_LIMIT", 64)
    with pytest.raises(ValueError, match="at most 64 are read"):
        load_arrays(tmp_path / "a")
    with pytest.raises(TypeError, match="at most 64 are read"):
        save_arrays(tmp_path / "b", {"x" * 100: np.ones(1)})


def test_every_truncation_is_found(tmp_path):
    path = tmp_path / "a"
    save_arrays(path, {"x": np.arange(3.0), "y": np.ones((2, 2), np.float32)}, {"k": "v"})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="no valid file"):
            load_arrays(path)


@given(st.data())
@settings(max_examples=200)
def test_any_damage_is_an_error_or_harmless(tmp_path_factory, data):
    """Bytes changed at random: a ValueError, or arrays of the size of the file."""
    path = tmp_path_factory.getbasetemp() / "damaged"
    save_arrays(path, {"x": np.arange(3.0), "y": np.ones((2, 2), np.float32)}, {"k": "v"})
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    try:
        arrays, _ = load_arrays(path)
    except ValueError:
        return
    assert sum(a.nbytes for a in arrays.values()) <= len(raw)


# whole models


class Own(nn.Module):
    def __init__(self):
        self.layer = nn.Linear(2, 1)

    def forward(self, x):
        return self.layer(x)


def table():
    rows = [{"income": 10.0 * i, "town": "Oslo" if i % 2 else "Rome", "bought": i % 3 == 0} for i in range(1, 31)]
    return data.clean(rows, "bought")


def test_a_model_comes_back_with_its_passport(tmp_path):
    made = table()
    model = nn.Sequential(nn.Linear(len(made.columns), 4), np.tanh, nn.SoftmaxClassifier([4, 2])).initialize(0)
    path = tmp_path / "model.safetensors"
    saving.save(model, path, passport=made.passport, notes={"accuracy": 0.75})
    found = saving.load(path)
    rows = {"income": [55.0, 130.0], "town": ["Rome", "Oslo"]}
    np.testing.assert_array_equal(found.model(found.passport.apply(rows)).data, model(made.apply(rows)).data)
    assert found.passport.labels([0, 1]).tolist() == made.passport.labels([0, 1]).tolist()
    assert found.notes == {"accuracy": 0.75}
    assert not found.model.training
    assert repr(found.model) == repr(model)


def test_weights_are_read_by_the_library_of_the_format(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    model = nn.MLP([2, 3, 1], rng=0)
    saving.save(model, tmp_path / "model.safetensors")
    for name, array in safetensors.load_file(tmp_path / "model.safetensors").items():
        np.testing.assert_array_equal(array, model.state_dict()[name])


def test_own_classes_are_given(tmp_path):
    path = tmp_path / "model.safetensors"
    saving.save(Own(), path)
    with pytest.raises(ValueError, match=r"holds no model that can be used: the model has a part of class 'Own'"):
        saving.load(path)
    assert isinstance(saving.load(path, classes=[Own]).model, Own)


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (({"w": 1.0},), TypeError, "save wanted an nn.Module, got dict"),
        ((nn.Sequential(lambda x: x),), TypeError, "the model cannot be saved with"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path, arguments, kind, words):
    path = tmp_path / "model"
    path.write_text("old")
    with pytest.raises(kind, match=words):
        saving.save(*arguments, path)
    for options, words in (
        ({"passport": {}}, "wanted passport=data.Passport"),
        ({"notes": {"f": len}}, "JSON can hold"),
    ):
        with pytest.raises(TypeError, match=words):
            saving.save(nn.MLP([1, 1]), path, **options)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


class Twins(nn.Module):
    """Two maps with one weight, in a dtype that is no argument."""

    def __init__(self, n):
        self.n = n
        self.a, self.b = nn.Linear(n, n, rng=0), nn.Linear(n, n, rng=1)
        self.b.weight = self.a.weight

    def forward(self, x):
        return self.b(self.a(x))


def test_shared_parts_and_weights_come_back_shared(tmp_path):
    path, x = tmp_path / "model", np.random.default_rng(0).normal(size=(3, 2))
    shared = nn.Linear(2, 2, rng=0)
    model = nn.Sequential(shared, np.tanh, nn.Residual(shared))
    saving.save(model, path)
    again = saving.load(path).model
    assert again.layers[0] is again.layers[2].layer
    assert again(x).data.tobytes() == model(x).data.tobytes()
    twins = Twins(2).astype(float)
    saving.save(twins, path)
    again = saving.load(path, classes=[Twins]).model
    assert again.a.weight is again.b.weight
    assert again.a.weight.dtype == float
    assert again(x).data.tobytes() == twins(x).data.tobytes()


def test_a_model_that_could_not_be_loaded_is_not_saved(tmp_path):
    path = tmp_path / "model"
    path.write_text("old")
    tied = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    tied.layers[1].weight = tied.layers[0].weight
    wider = nn.Sequential(nn.MLP([2, 2]))
    wider.layers[0].layers.append(nn.Linear(2, 2))
    odd = Twins(2)
    odd.more = {"a.b": nn.Linear(1, 1), "a": {"b": nn.Linear(1, 1)}}
    for model, kind, words in (
        (tied, TypeError, r"cannot be made again from its constructor arguments \(layers\.1\.weight\)"),
        (wider, TypeError, r"cannot be made again .*\(layers\.0\.layers\.1\.weight\)"),
        (odd, ValueError, "two parameters of Twins have the path 'more.a.b.weight'"),
    ):
        with pytest.raises(kind, match=words):
            saving.save(model, path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["model"]


def test_texts_that_utf8_cannot_hold_come_back_from_notes(tmp_path):
    saving.save(nn.Linear(1, 1), tmp_path / "model", notes={"\ud800": "\udcff\n"})
    assert saving.load(tmp_path / "model").notes == {"\ud800": "\udcff\n"}


FORGED = {"module": "RNN", "arguments": {"in_features": 1, "hidden_features": 1, "layers": 10**12}}


def test_files_that_hold_no_model(tmp_path):
    path, state = tmp_path / "model", nn.MLP([1, 1], rng=0).state_dict()
    good = {"version": 1, "architecture": nn.architecture(nn.MLP([1, 1])), "passport": None, "notes": {}}
    cases = [
        ({}, r"holds arrays \(.*layers\.0.*\) and no architecture"),
        ({saving.MODEL: "{"}, "holds no model that can be used"),
        ({saving.MODEL: "[" * 100_000}, "holds no model that can be used"),
        ({saving.MODEL: "[]"}, "of version 'list', wanted 1"),
        ({saving.MODEL: json.dumps(good | {"version": 2})}, "of version 2, wanted 1"),
        ({saving.MODEL: json.dumps(good | {"architecture": None})}, "describes no model"),
        ({saving.MODEL: json.dumps(good | {"architecture": FORGED})}, "a size of 1000000000000, with at most 65536"),
        ({saving.MODEL: json.dumps(good | {"passport": {"columns": 3}})}, "holds no model that can be used"),
        ({saving.MODEL: json.dumps(good | {"architecture": nn.architecture(nn.MLP([2, 1]))})}, "other shape: layers.0"),
    ]
    for metadata, words in cases:
        saving.save_arrays(path, state, metadata)
        with pytest.raises(ValueError, match=words):
            saving.load(path)
    saving.save_arrays(path, state, {saving.MODEL: json.dumps(good | {"notes": 3})})
    assert saving.load(path).notes == {}
