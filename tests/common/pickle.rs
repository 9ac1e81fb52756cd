//! Files of torch.save, made without torch: programs in pickle's language inside a zip.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

use std::io::Write as _;

use safetensors::{Dtype, SafeTensors};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// The beginning of a program, and a tensor's call without its last arguments.
pub const PROTO: &[u8] = b"\x80\x02";

pub fn text(value: &str) -> Vec<u8> {
    let mut out = vec![b'X'];
    out.extend((value.len() as u32).to_le_bytes());
    out.extend(value.as_bytes());
    out
}

pub fn int(value: i32) -> Vec<u8> {
    [&[b'J'][..], &value.to_le_bytes()].concat()
}

pub fn global(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n").into_bytes()
}

pub fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
    [b"(".to_vec(), items.concat(), b"t".to_vec()].concat()
}

/// A float tensor over the storage `key` of `elements`.
pub fn tensor(key: &str, elements: i32, offset: i32, shape: &[i32], strides: &[i32]) -> Vec<u8> {
    tensor_in("FloatStorage", key, elements, offset, shape, strides)
}

fn tensor_in(kind: &str, key: &str, elements: i32, offset: i32, shape: &[i32], strides: &[i32]) -> Vec<u8> {
    let numbers = |values: &[i32]| tuple(&values.iter().map(|n| int(*n)).collect::<Vec<_>>());
    let storage = tuple(&[text("storage"), global("torch", kind), text(key), text("cpu"), int(elements)]);
    let hooks = [global("collections", "OrderedDict"), b")R".to_vec()].concat();
    let storage = [storage, b"Q".to_vec()].concat();
    let arguments = tuple(&[storage, int(offset), numbers(shape), numbers(strides), vec![0x89], hooks]);
    [global("torch._utils", "_rebuild_tensor_v2"), arguments, b"R".to_vec()].concat()
}

/// A program that makes a dictionary.
pub fn program(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let body: Vec<u8> = pairs.iter().flat_map(|(key, value)| [text(key), value.clone()].concat()).collect();
    [PROTO, b"}(", &body, b"u."].concat()
}

pub struct Zip(ZipWriter<std::io::Cursor<Vec<u8>>>);

impl Zip {
    pub fn new(pickle: &[u8]) -> Self {
        Self(ZipWriter::new(std::io::Cursor::new(vec![]))).with("m/data.pkl", pickle)
    }

    pub fn with(self, name: &str, bytes: &[u8]) -> Self {
        self.packed(name, bytes, CompressionMethod::Stored)
    }

    pub fn packed(mut self, name: &str, bytes: &[u8], method: CompressionMethod) -> Self {
        self.0.start_file(name, SimpleFileOptions::default().compression_method(method)).unwrap();
        self.0.write_all(bytes).unwrap();
        self
    }

    pub fn bytes(self) -> Vec<u8> {
        self.0.finish().unwrap().into_inner()
    }
}

/// The same tensors, f32 or f16, as torch.save writes a dictionary of them.
pub fn of_safetensors(bytes: &[u8]) -> Vec<u8> {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let tensors = file.tensors();
    let numbers = |values: &[usize]| values.iter().map(|n| *n as i32).collect::<Vec<_>>();
    let entry = |(key, (name, view)): (usize, &(String, safetensors::tensor::TensorView<'_>))| {
        let (kind, width) = match view.dtype() {
            Dtype::F32 => ("FloatStorage", 4),
            Dtype::F16 => ("HalfStorage", 2),
            other => panic!("{other}"),
        };
        let shape = view.shape();
        let strides: Vec<usize> = (1..=shape.len()).map(|axis| shape[axis..].iter().product()).collect();
        let elements = (view.data().len() / width) as i32;
        (name.clone(), tensor_in(kind, &key.to_string(), elements, 0, &numbers(shape), &numbers(&strides)))
    };
    let entries: Vec<(String, Vec<u8>)> = tensors.iter().enumerate().map(entry).collect();
    let pairs: Vec<(&str, Vec<u8>)> = entries.iter().map(|(name, call)| (name.as_str(), call.clone())).collect();
    let zip = Zip::new(&program(&pairs));
    let with_data = |zip: Zip, (key, (_, view)): (usize, &(String, safetensors::tensor::TensorView<'_>))| {
        zip.with(&format!("m/data/{key}"), view.data())
    };
    tensors.iter().enumerate().fold(zip, with_data).bytes()
}
