//! The pickle machine: a stack, a memo and the few instructions that a file of tensors needs.
//!
//! All values lie in flat tables and refer to each other by number, so that neither depth nor sharing nor circles cost
//! more than the instructions that make them. Anything that names code is refused when it is named, before a call.

use std::collections::HashMap;

use super::values::{Global, State, Storage, Tensor, Text, Value};
use super::{Refusal, bad};
use crate::weights::error::shown;

/// Instructions; a checkpoint of SDXL takes about 60,000.
const MOST_STEPS: usize = 4_000_000;
/// Longest name of a module or of a number in text.
const LONGEST_LINE: usize = 256;
const MOST_DIMENSIONS: usize = 16;

/// Runs the program in `pickle`.
pub(super) fn run(pickle: &[u8]) -> Result<State, Refusal> {
    let state = State { texts: pickle.to_vec(), ..State::default() };
    let mut machine = Machine { pickle, at: 0, stack: vec![], marks: vec![], memo: HashMap::new(), state };
    for _ in 0..MOST_STEPS {
        if machine.step()? {
            return Ok(machine.state);
        }
    }
    bad("its pickle is too long")
}

struct Machine<'a> {
    pickle: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    state: State,
}

impl<'a> Machine<'a> {
    /// One instruction; true at the end.
    fn step(&mut self) -> Result<bool, Refusal> {
        match self.byte()? {
            0x80 => match self.byte()? {
                2 => {}
                n => return bad(format!("its pickle has protocol {n}, and torch writes 2")),
            },
            b'.' => {
                self.state.top = Some(self.pop()?);
                return Ok(true);
            }
            b'(' => self.marks.push(self.stack.len()),
            b'0' => match self.marks.last() == Some(&self.stack.len()) {
                true => drop(self.marks.pop()),
                false => drop(self.pop()?),
            },
            b'1' => drop(self.pop_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'N' => self.stack.push(Value::Other),
            b'G' => {
                self.take(8)?;
                self.stack.push(Value::Other);
            }
            0x88 | 0x89 => self.stack.push(Value::Bool),
            b'K' => {
                let n = self.byte()?;
                self.stack.push(Value::Int(n.into()));
            }
            b'M' => {
                let n = self.number::<2>()?;
                self.stack.push(Value::Int(n as i64));
            }
            b'J' => {
                let n = self.number::<4>()? as u32 as i32;
                self.stack.push(Value::Int(n.into()));
            }
            0x8a => self.long()?,
            b'X' | b'T' => {
                let len = self.number::<4>()? as usize;
                self.push_text(len)?;
            }
            b'U' => {
                let len = self.byte()?.into();
                self.push_text(len)?;
            }
            b')' => self.push_tuple(&[]),
            0x85 => self.tuple_of::<1>()?,
            0x86 => self.tuple_of::<2>()?,
            0x87 => self.tuple_of::<3>()?,
            b't' => {
                let items = self.pop_mark()?;
                self.push_tuple(&items);
            }
            b']' => self.stack.push(Value::List),
            b'l' => {
                self.pop_mark()?;
                self.stack.push(Value::List);
            }
            b'a' => {
                self.pop()?;
                self.ensure_list()?;
            }
            b'e' => {
                self.pop_mark()?;
                self.ensure_list()?;
            }
            b'}' => self.push_dict(vec![]),
            b'd' => {
                let items = self.pop_mark()?;
                let pairs = pairs(&items)?;
                self.push_dict(pairs);
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.extend_dict(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.extend_dict(&items)?;
            }
            b'q' => {
                let n = self.byte()?.into();
                self.put(n)?;
            }
            b'r' => {
                let n = self.number::<4>()? as u32;
                self.put(n)?;
            }
            b'h' => {
                let n = self.byte()?.into();
                self.get(n)?;
            }
            b'j' => {
                let n = self.number::<4>()? as u32;
                self.get(n)?;
            }
            b'c' => self.global()?,
            b'Q' => self.persistent()?,
            b'R' => self.reduce()?,
            // `_metadata` of a state_dict.
            b'b' => {
                self.pop()?;
                if !matches!(self.top()?, Value::Dict(_)) {
                    return bad("its pickle sets the inside of an object");
                }
            }
            // NEWOBJ, INST, OBJ, NEWOBJ_EX, EXT1, EXT2, EXT4, STACK_GLOBAL: all of them make objects of any class.
            op @ (0x81 | b'i' | b'o' | 0x92 | 0x82..=0x84 | 0x93) => {
                return Err(Refusal::Code(format!("pickle instruction 0x{op:02x}")));
            }
            op => return bad(format!("its pickle has the instruction 0x{op:02x}, which a file of tensors has not")),
        }
        Ok(false)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Refusal> {
        let end = self.at.checked_add(len);
        let Some(bytes) = end.and_then(|end| self.pickle.get(self.at..end)) else {
            return bad("its pickle is cut short");
        };
        self.at += len;
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8, Refusal> {
        Ok(self.take(1)?.first().copied().unwrap_or_default())
    }

    /// A little-endian number of `N` bytes, without a sign.
    fn number<const N: usize>(&mut self) -> Result<u64, Refusal> {
        Ok(self.take(N)?.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte)))
    }

    fn line(&mut self) -> Result<&'a str, Refusal> {
        let rest = self.pickle.get(self.at..).unwrap_or_default();
        let Some(len) = rest.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n') else {
            return bad("its pickle has a name without end");
        };
        let line = self.take(len)?;
        self.take(1)?;
        std::str::from_utf8(line).or_else(|_| bad("its pickle has a name that is no text"))
    }

    fn top(&self) -> Result<Value, Refusal> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let top = self.stack.last().copied().filter(|_| self.stack.len() > floor);
        top.map_or_else(|| bad("its pickle takes a value that is not there"), Ok)
    }

    fn pop(&mut self) -> Result<Value, Refusal> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_mark(&mut self) -> Result<Vec<Value>, Refusal> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => bad("its pickle closes what it has not opened"),
        }
    }

    fn long(&mut self) -> Result<(), Refusal> {
        let len = self.byte()?.into();
        let bytes = self.take(len)?;
        if len > 8 {
            return bad("its pickle has a number of more than 64 bits");
        }
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let fill = if negative { u64::MAX } else { 0 };
        let n = bytes.iter().rev().fold(fill, |n, byte| n << 8 | u64::from(*byte));
        self.stack.push(Value::Int(n as i64));
        Ok(())
    }

    fn push_text(&mut self, len: usize) -> Result<(), Refusal> {
        let start = self.at;
        self.take(len)?;
        self.stack.push(Value::Text(Text { start, len }));
        Ok(())
    }

    fn push_tuple(&mut self, items: &[Value]) {
        let start = self.state.tuples.len();
        self.state.tuples.extend_from_slice(items);
        self.stack.push(Value::Tuple(start, items.len()));
    }

    fn tuple_of<const N: usize>(&mut self) -> Result<(), Refusal> {
        let mut items = [Value::Other; N];
        for slot in items.iter_mut().rev() {
            *slot = self.pop()?;
        }
        self.push_tuple(&items);
        Ok(())
    }

    fn push_dict(&mut self, pairs: Vec<(Value, Value)>) {
        self.state.dicts.push(pairs);
        self.stack.push(Value::Dict(self.state.dicts.len() - 1));
    }

    fn ensure_list(&self) -> Result<(), Refusal> {
        match self.top()? {
            Value::List => Ok(()),
            _ => bad("its pickle appends to what is no list"),
        }
    }

    fn extend_dict(&mut self, items: &[Value]) -> Result<(), Refusal> {
        let Value::Dict(index) = self.top()? else { return bad("its pickle sets a key of what is no dictionary") };
        let pairs = pairs(items)?;
        if let Some(dict) = self.state.dicts.get_mut(index) {
            dict.extend(pairs);
        }
        Ok(())
    }

    fn put(&mut self, slot: u32) -> Result<(), Refusal> {
        let top = self.top()?;
        self.memo.insert(slot, top);
        Ok(())
    }

    fn get(&mut self, slot: u32) -> Result<(), Refusal> {
        let Some(value) = self.memo.get(&slot) else { return bad("its pickle refers to a value that is not there") };
        self.stack.push(*value);
        Ok(())
    }

    fn global(&mut self) -> Result<(), Refusal> {
        let (module, name) = (self.line()?, self.line()?);
        let Some(global) = Global::named(module, name) else {
            return Err(Refusal::Code(shown(&format!("{module}.{name}"))));
        };
        self.stack.push(Value::Global(global));
        Ok(())
    }

    /// `('storage', torch.FloatStorage, '0', 'cpu', 12)`
    fn persistent(&mut self) -> Result<(), Refusal> {
        let id = self.pop()?;
        let Some([Value::Text(kind), Value::Global(Global::Storage(dtype)), Value::Text(key), _, Value::Int(elements)]) =
            self.state.tuple(id)
        else {
            return bad("its pickle refers to something that is no storage");
        };
        let (dtype, elements) = (*dtype, u64::try_from(*elements));
        let key = self.state.text(*key).filter(|key| is_number(key));
        match (self.state.text(*kind), key, elements) {
            (Some("storage"), Some(key), Ok(elements)) => {
                let storage = Storage { dtype, key: key.to_owned(), elements };
                self.state.storages.push(storage);
                self.stack.push(Value::Storage(self.state.storages.len() - 1));
                Ok(())
            }
            _ => bad("its pickle refers to a storage in a way that torch does not"),
        }
    }

    fn reduce(&mut self) -> Result<(), Refusal> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        let (Value::Global(callee), Some(arguments)) = (callee, self.state.tuple(arguments)) else {
            return bad("its pickle calls what cannot be called");
        };
        match (callee, arguments) {
            (Global::RebuildTensor, [Value::Storage(storage), Value::Int(offset), shape, strides, ..]) => {
                let (storage, offset) = (*storage, *offset);
                let numbers = |value: Value| -> Option<Vec<u64>> {
                    let items = self.state.tuple(value).filter(|items| items.len() <= MOST_DIMENSIONS)?;
                    items.iter().map(|n| if let Value::Int(n) = n { u64::try_from(*n).ok() } else { None }).collect()
                };
                let (shape, strides) = (numbers(*shape), numbers(*strides));
                let (Ok(offset), Some(shape), Some(strides)) = (u64::try_from(offset), shape, strides) else {
                    return bad("a tensor of its pickle has an impossible shape");
                };
                let shape: Option<Vec<usize>> = shape.into_iter().map(|n| usize::try_from(n).ok()).collect();
                let Some(shape) = shape.filter(|shape| shape.len() == strides.len()) else {
                    return bad("a tensor of its pickle has an impossible shape");
                };
                self.state.tensors.push(Tensor { storage, offset, shape, strides });
                self.stack.push(Value::Tensor(self.state.tensors.len() - 1));
            }
            (Global::RebuildParameter, [tensor @ Value::Tensor(_), ..]) => {
                let tensor = *tensor;
                self.stack.push(tensor);
            }
            // Filled afterwards. Python 2 gave a list of pairs here, but torch's zips are younger, and each call would
            // cost as much as the list is long.
            (Global::OrderedDict, []) => self.push_dict(vec![]),
            _ => return bad("its pickle calls torch in a way that torch does not"),
        }
        Ok(())
    }
}

fn pairs(items: &[Value]) -> Result<Vec<(Value, Value)>, Refusal> {
    let (pairs, rest) = items.as_chunks::<2>();
    if !rest.is_empty() {
        return bad("its pickle has a key without a value");
    }
    Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
}

fn is_number(key: &str) -> bool {
    (1..=20).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_digit())
}
