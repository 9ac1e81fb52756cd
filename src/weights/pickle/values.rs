//! What a pickle can make here: values in flat tables that refer to each other by number.

use safetensors::Dtype;

/// A text of the pickle, by place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Text {
    pub start: usize,
    pub len: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    /// None, a float: nothing that a tensor is made of.
    Other,
    Bool,
    Int(i64),
    Text(Text),
    Global(Global),
    /// Start and length in `State::tuples`.
    Tuple(usize, usize),
    /// What is in it is nothing that a tensor is made of.
    List,
    Dict(usize),
    Storage(usize),
    Tensor(usize),
}

/// What may be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    RebuildTensor,
    RebuildParameter,
    OrderedDict,
    Storage(Dtype),
}

impl Global {
    pub(super) fn named(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch", "FloatStorage") => Self::Storage(Dtype::F32),
            ("torch", "HalfStorage") => Self::Storage(Dtype::F16),
            ("torch", "BFloat16Storage") => Self::Storage(Dtype::BF16),
            ("torch", "DoubleStorage") => Self::Storage(Dtype::F64),
            ("torch", "LongStorage") => Self::Storage(Dtype::I64),
            ("torch", "IntStorage") => Self::Storage(Dtype::I32),
            ("torch", "ShortStorage") => Self::Storage(Dtype::I16),
            ("torch", "CharStorage") => Self::Storage(Dtype::I8),
            ("torch", "ByteStorage") => Self::Storage(Dtype::U8),
            ("torch", "BoolStorage") => Self::Storage(Dtype::BOOL),
            _ => return None,
        })
    }
}

/// A file of raw numbers in the zip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Storage {
    pub dtype: Dtype,
    /// Digits only, so that it is no path.
    pub key: String,
    pub elements: u64,
}

/// A view of a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tensor {
    pub storage: usize,
    pub offset: u64,
    pub shape: Vec<usize>,
    pub strides: Vec<u64>,
}

/// What the program made.
#[derive(Debug, Default)]
pub(super) struct State {
    pub texts: Vec<u8>,
    pub tuples: Vec<Value>,
    pub dicts: Vec<Vec<(Value, Value)>>,
    pub storages: Vec<Storage>,
    pub tensors: Vec<Tensor>,
    pub top: Option<Value>,
}

impl State {
    pub(super) fn text(&self, text: Text) -> Option<&str> {
        std::str::from_utf8(self.texts.get(text.start..text.start.checked_add(text.len)?)?).ok()
    }

    pub(super) fn tuple(&self, value: Value) -> Option<&[Value]> {
        let Value::Tuple(start, len) = value else { return None };
        self.tuples.get(start..start.checked_add(len)?)
    }
}
