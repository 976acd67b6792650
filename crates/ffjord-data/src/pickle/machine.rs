//! The stack machine that pickles are programs of, as far as they describe data.

use super::{Id, Node};
use std::collections::HashMap;

/// A machine on its way through a pickle.
pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    position: usize,
    nodes: Vec<Node>,
    stack: Vec<Id>,
    /// Heights of the stack that operations go back to.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl<'a> Machine<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            position: 0,
            nodes: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        }
    }

    /// The byte that is read next.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// All objects, and the byte behind the pickle.
    pub(super) fn finish(self) -> (Vec<Node>, usize) {
        (self.nodes, self.position)
    }

    /// One operation; the last one gives the root.
    pub(super) fn step(&mut self) -> Result<Option<Id>, String> {
        let operation = self.take(1)?[0];
        match operation {
            b'.' => return Ok(Some(self.pop()?)),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_to_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            // The version of the protocol, and the lengths of frames.
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'q' | b'r' | b'p' | 0x94 | b'h' | b'j' | b'g' => self.memory(operation)?,
            b')' | b't' | 0x85..=0x87 | b']' | b'l' | 0x8f | 0x91 | b'}' | b'd' => self.container(operation)?,
            b'a' | b'e' | 0x90 | b's' | b'u' | b'b' => self.change(operation)?,
            b'c' | 0x93 | b'R' | 0x81 | 0x92 | b'Q' | b'P' => self.name_or_call(operation)?,
            _ => {
                let node = self.constant(operation)?;
                self.push(node);
            }
        }
        Ok(None)
    }

    fn constant(&mut self, operation: u8) -> Result<Node, String> {
        Ok(match operation {
            b'N' => Node::None,
            0x88 => Node::Bool(true),
            0x89 => Node::Bool(false),
            b'K' => Node::Int(self.number(1)? as i64),
            b'M' => Node::Int(self.number(2)? as i64),
            b'J' => Node::Int(i64::from(self.number(4)? as u32 as i32)),
            b'G' => Node::Float(f64::from_be_bytes(self.array()?)),
            0x8a => self.long(1)?,
            0x8b => self.long(4)?,
            b'I' | b'L' => match self.line()?.trim_end_matches('L') {
                "01" => Node::Bool(true),
                "00" => Node::Bool(false),
                digits => digits.parse().map_or(Node::LargeInt, Node::Int),
            },
            b'F' => Node::Float(self.line()?.parse().map_err(|_| "a number was expected")?),
            b'X' => self.text(4)?,
            0x8c => self.text(1)?,
            b'T' => text_or_bytes(self.sized(4)?.to_vec()),
            b'U' => text_or_bytes(self.sized(1)?.to_vec()),
            0x8d => self.text(8)?,
            b'V' => Node::Text(self.line()?.to_owned()),
            b'S' => text_or_bytes(unescaped(self.line()?).ok_or("bytes are written as Python does not write them")?),
            b'C' => self.blob(1)?,
            b'B' => self.blob(4)?,
            0x8e => self.blob(8)?,
            other => return Err(format!("the operation {other:#04x} is not one of data")),
        })
    }

    fn memory(&mut self, operation: u8) -> Result<(), String> {
        let key = match operation {
            b'q' | b'h' => self.number(1)?,
            b'r' | b'j' => self.number(4)?,
            b'p' | b'g' => self.line()?.parse().map_err(|_| "a number was expected")?,
            _ => self.memo.len() as u64,
        };
        if matches!(operation, b'h' | b'j' | b'g') {
            let id = *self.memo.get(&key).ok_or("it refers to an object that is not there")?;
            self.stack.push(id);
        } else {
            let top = self.top()?;
            self.memo.insert(key, top);
        }
        Ok(())
    }

    fn container(&mut self, operation: u8) -> Result<(), String> {
        let node = match operation {
            b')' => Node::Tuple(Vec::new()),
            b't' | 0x91 => Node::Tuple(self.pop_to_mark()?),
            0x85..=0x87 => {
                let count = usize::from(operation - 0x84);
                let start = self.floor(count)?;
                Node::Tuple(self.stack.split_off(start))
            }
            b'l' => Node::List(self.pop_to_mark()?),
            b'}' => Node::Dict(Vec::new()),
            b'd' => Node::Dict(pairs(&self.pop_to_mark()?)?),
            _ => Node::List(Vec::new()),
        };
        self.push(node);
        Ok(())
    }

    /// Operations on the object below what they take from the stack.
    fn change(&mut self, operation: u8) -> Result<(), String> {
        let items = match operation {
            b'a' | b'b' => vec![self.pop()?],
            b's' => {
                let start = self.floor(2)?;
                self.stack.split_off(start)
            }
            _ => self.pop_to_mark()?,
        };
        let top = self.top()?;
        match (&mut self.nodes[top], operation) {
            (Node::List(elements), b'a' | b'e' | 0x90) => elements.extend(items),
            (Node::Dict(entries), b's' | b'u') => entries.extend(pairs(&items)?),
            (Node::Call { state, .. }, b'b') => *state = items.first().copied(),
            // Attributes of a dictionary, and items of an object that is none here, mean nothing to us.
            (Node::Dict(_) | Node::Global(..), b'b') | (Node::Call { .. }, _) => (),
            _ => return Err("an object has parts that none of its kind has".to_owned()),
        }
        Ok(())
    }

    fn name_or_call(&mut self, operation: u8) -> Result<(), String> {
        let node = match operation {
            b'c' => Node::Global(self.line()?.to_owned(), self.line()?.to_owned()),
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (&self.nodes[module], &self.nodes[name]) {
                    (Node::Text(module), Node::Text(name)) => Node::Global(module.clone(), name.clone()),
                    _ => return Err("the name of a class is no text".to_owned()),
                }
            }
            b'Q' => Node::Persistent(self.pop()?),
            b'P' => {
                let name = Node::Text(self.line()?.to_owned());
                self.push(name);
                Node::Persistent(self.pop()?)
            }
            _ => {
                if operation == 0x92 {
                    // Arguments by name.
                    self.pop()?;
                }
                let (arguments, callable) = (self.pop()?, self.pop()?);
                self.call(callable, arguments)
            }
        };
        self.push(node);
        Ok(())
    }

    /// Dictionaries with an order are dictionaries; every other call stays one.
    fn call(&self, callable: Id, arguments: Id) -> Node {
        let is_dict = matches!(&self.nodes[callable], Node::Global(module, name)
            if module == "collections" && (name == "OrderedDict" || name == "defaultdict"));
        if !is_dict {
            return Node::Call {
                callable,
                arguments,
                state: None,
            };
        }
        let elements = |id: Id| match &self.nodes[id] {
            Node::List(elements) | Node::Tuple(elements) => elements.as_slice(),
            _ => &[],
        };
        // Python 2 wrote `OrderedDict([[key, value], …])`.
        let listed = elements(arguments).first().map_or(&[][..], |list| elements(*list));
        let pair = |id: &Id| match elements(*id) {
            [key, value] => Some((*key, *value)),
            _ => None,
        };
        Node::Dict(listed.iter().filter_map(pair).collect())
    }

    fn push(&mut self, node: Node) {
        self.stack.push(self.nodes.len());
        self.nodes.push(node);
    }

    /// The height of the stack without its topmost `count` objects, all of them above the last mark.
    fn floor(&self, count: usize) -> Result<usize, String> {
        let lowest = self.marks.last().copied().unwrap_or(0);
        let height = self.stack.len().checked_sub(count).filter(|height| *height >= lowest);
        Ok(height.ok_or("it takes more objects than there are")?)
    }

    fn pop(&mut self) -> Result<Id, String> {
        let height = self.floor(1)?;
        let id = self.stack[height];
        self.stack.truncate(height);
        Ok(id)
    }

    fn top(&self) -> Result<Id, String> {
        Ok(self.stack[self.floor(1)?])
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or("it goes back to a mark that is not there")?;
        // Never above the stack: `floor` keeps what is below a mark.
        Ok(self.stack.split_off(mark))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let end = self.position.checked_add(count).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or("it ends too early: the file is damaged or incomplete")?;
        let taken = &self.bytes[self.position..end];
        self.position = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// A number of up to eight bytes, the lowest first.
    fn number(&mut self, bytes: usize) -> Result<u64, String> {
        let bytes = self.take(bytes)?.iter().rev();
        Ok(bytes.fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn sized(&mut self, prefix: usize) -> Result<&'a [u8], String> {
        let length = self.number(prefix)?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn text(&mut self, prefix: usize) -> Result<Node, String> {
        Ok(Node::Text(String::from_utf8_lossy(self.sized(prefix)?).into_owned()))
    }

    fn blob(&mut self, prefix: usize) -> Result<Node, String> {
        Ok(Node::Bytes(self.sized(prefix)?.to_vec()))
    }

    /// A whole number in two's complement, the lowest byte first.
    fn long(&mut self, prefix: usize) -> Result<Node, String> {
        let bytes = self.sized(prefix)?;
        if bytes.len() > 8 {
            return Ok(Node::LargeInt);
        }
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let start: u64 = if negative { u64::MAX } else { 0 };
        let number = bytes
            .iter()
            .rev()
            .fold(start, |number, byte| number << 8 | u64::from(*byte));
        Ok(Node::Int(number as i64))
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let length = self.bytes[self.position..].iter().position(|byte| *byte == b'\n');
        let line = self.take(length.ok_or("it ends within a line")?)?;
        self.take(1)?;
        std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)).map_err(|_| "a line is no text".to_owned())
    }
}

/// Bytes as Python 2 has them: a text where they are one.
fn text_or_bytes(bytes: Vec<u8>) -> Node {
    String::from_utf8(bytes).map_or_else(|error| Node::Bytes(error.into_bytes()), Node::Text)
}

/// The bytes that a literal `'…'` or `"…"` of Python 2 stands for.
fn unescaped(literal: &str) -> Option<Vec<u8>> {
    let quote = literal.chars().next().filter(|quote| ['\'', '"'].contains(quote))?;
    let inside = literal.get(1..)?.strip_suffix(quote)?;
    let mut bytes = Vec::with_capacity(inside.len());
    let mut rest = inside.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next()? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                (digit()? * 16 + digit()?) as u8
            }
            same @ (b'\\' | b'\'' | b'"') => same,
            _ => return None,
        });
    }
    Some(bytes)
}

fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>, String> {
    if !items.len().is_multiple_of(2) {
        return Err("a key has no value".to_owned());
    }
    Ok(items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}
