//! Python's pickles as data: what a pickle would build is described, and nothing is ever built or called.
//!
//! Checkpoints of PyTorch and the Frey Faces are such files.
//!
//! See Lib/pickletools.py of CPython for the operations. Nodes refer to each other by number, so that shared and nested
//! objects cost neither copies nor recursion, and every operation adds one node at most: memory is bounded by the
//! pickle's length.

mod machine;

use machine::Machine;

/// The place of a node in its [`Pickle`].
pub type Id = usize;

/// An object of a pickle.
///
/// ```
/// use ffjord_data::pickle::{Node, Pickle};
/// // pickle.dumps((b"ab", None, 2.5), 0) of Python 2.
/// let pickle = Pickle::read(&mut &b"(S'ab'\nNF2.5\nt."[..])?;
/// let elements = pickle.elements(pickle.root()).ok_or("a tuple")?;
/// assert_eq!(elements, [&Node::Text("ab".to_owned()), &Node::None, &Node::Float(2.5)]);
/// assert_eq!(elements[0].bytes(), Some(&b"ab"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Node {
    /// Nothing.
    None,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number of more than 64 bits.
    LargeInt,
    /// A number.
    Float(f64),
    /// A text, and bytes of Python 2 that are one.
    Text(String),
    /// Bytes, and bytes of Python 2 that are no text.
    Bytes(Vec<u8>),
    /// A tuple.
    Tuple(Vec<Id>),
    /// A list.
    List(Vec<Id>),
    /// A dictionary with its entries in their order.
    Dict(Vec<(Id, Id)>),
    /// The name of a class or function.
    Global(String, String),
    /// What a call would give, and the state it would be given afterwards.
    Call {
        /// What is called.
        callable: Id,
        /// The tuple of arguments.
        arguments: Id,
        /// The state.
        state: Option<Id>,
    },
    /// What the application stored elsewhere under this name.
    Persistent(Id),
}

impl Node {
    /// The bytes of a text or of bytes: which of the two Python 2's are, their content decides.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text.as_bytes()),
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// The objects of one pickle.
///
/// ```
/// use ffjord_data::pickle::{Node, Pickle};
///
/// // pickle.dumps({"a": 1}, 0)
/// let pickle = Pickle::read(&mut &b"(dp0\nVa\np1\nI1\ns."[..])?;
/// assert_eq!(pickle.get(pickle.root(), "a"), Some(&Node::Int(1)));
/// # Ok::<(), String>(())
/// ```
///
/// Entries of a dictionary, elements of a list:
///
/// ```
/// use ffjord_data::pickle::{Node, Pickle};
/// // pickle.dumps({"a": [1, 2]}, 0)
/// let pickle = Pickle::read(&mut &b"(dp0\nVa\np1\n(lp2\nI1\naI2\nas."[..])?;
/// let (key, list) = pickle.entries(pickle.root()).next().ok_or("one entry")?;
/// assert_eq!((key, pickle.elements(list)), ("a", Some(vec![&Node::Int(1), &Node::Int(2)])));
/// assert!(pickle.nodes().any(|node| node == &Node::Int(2)));
/// let Node::List(places) = list else { return Err("a list".into()) };
/// assert_eq!(pickle.node(places[1]), &Node::Int(2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Pickle {
    nodes: Vec<Node>,
    root: Id,
}

impl Pickle {
    /// The object of this number.
    pub fn node(&self, id: Id) -> &Node {
        &self.nodes[id]
    }

    /// The object that the pickle is of.
    pub fn root(&self) -> &Node {
        self.node(self.root)
    }

    /// All objects.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter()
    }

    /// The value under a text key of a dictionary.
    pub fn get(&self, node: &Node, key: &str) -> Option<&Node> {
        let Node::Dict(entries) = node else { return None };
        // Of equal keys the last one counts.
        let found = entries.iter().rev();
        let mut found = found.filter(|(name, _)| matches!(self.node(*name), Node::Text(text) if text == key));
        found.next().map(|(_, value)| self.node(*value))
    }

    /// The text keys of a dictionary with their values.
    pub fn entries<'a>(&'a self, node: &'a Node) -> impl Iterator<Item = (&'a str, &'a Node)> {
        let entries = match node {
            Node::Dict(entries) => entries.as_slice(),
            _ => &[],
        };
        entries.iter().filter_map(|(name, value)| match self.node(*name) {
            Node::Text(name) => Some((name.as_str(), self.node(*value))),
            _ => None,
        })
    }

    /// The elements of a tuple or list.
    pub fn elements(&self, node: &Node) -> Option<Vec<&Node>> {
        match node {
            Node::Tuple(elements) | Node::List(elements) => Some(elements.iter().map(|id| self.node(*id)).collect()),
            _ => None,
        }
    }

    /// Reads one pickle from the front of `bytes`, and moves them on behind it.
    ///
    /// # Errors
    /// What is wrong, and at which byte.
    pub fn read(bytes: &mut &[u8]) -> Result<Self, String> {
        let mut machine = Machine::new(bytes);
        loop {
            let start = machine.position();
            match machine.step() {
                Ok(None) => (),
                Ok(Some(root)) => {
                    let (nodes, position) = machine.finish();
                    *bytes = &bytes[position..];
                    return Ok(Self { nodes, root });
                }
                Err(reason) => return Err(format!("its pickle cannot be read at byte {start}: {reason}")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut bytes: &[u8]) -> Result<Pickle, String> {
        Pickle::read(&mut bytes)
    }

    #[test]
    fn all_protocols_say_the_same() {
        // pickle.dumps({"a": [1, -2, 2.5, None, True], "b": ("x",)}, protocol) of CPython 3.11, protocols 0, 2 and 4.
        let zero = b"(dp0\nVa\np1\n(lp2\nI1\naI-2\naF2.5\naNaI01\nasVb\np3\n(Vx\np4\ntp5\ns.";
        let two = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01]q\x02(K\x01J\xfe\xff\xff\xffG@\x04\x00\x00\x00\x00\x00\x00\
            N\x88eX\x01\x00\x00\x00bq\x03X\x01\x00\x00\x00xq\x04\x85q\x05u.";
        let four = b"\x80\x04\x952\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01a\x94]\x94(K\x01J\xfe\xff\xff\xffG@\x04\
            \x00\x00\x00\x00\x00\x00N\x88e\x8c\x01b\x94\x8c\x01x\x94\x85\x94u.";
        for bytes in [&zero[..], two, four] {
            let pickle = read(bytes).unwrap();
            let root = pickle.root();
            let list = pickle.elements(pickle.get(root, "a").unwrap()).unwrap();
            let expected = [
                &Node::Int(1),
                &Node::Int(-2),
                &Node::Float(2.5),
                &Node::None,
                &Node::Bool(true),
            ];
            assert_eq!(list, expected);
            let tuple = pickle.elements(pickle.get(root, "b").unwrap()).unwrap();
            assert_eq!(tuple, [&Node::Text("x".to_owned())]);
            for length in 0..bytes.len() {
                assert!(read(&bytes[..length]).is_err(), "{length}");
            }
        }
    }

    #[test]
    fn bytes_of_python_2_are_kept() {
        // pickle.dumps of "a'\\\n\xff\x00" and of "it's", protocols 0 and 1.
        for bytes in [&b"S'a\\'\\\\\\n\\xff\\x00'\np0\n."[..], b"U\x06a'\\\n\xff\x00q\x00."] {
            let pickle = read(bytes).unwrap();
            assert_eq!(pickle.root(), &Node::Bytes(b"a'\\\n\xff\x00".to_vec()), "{bytes:?}");
        }
        let pickle = read(b"S\"it's\"\n.").unwrap();
        assert_eq!(pickle.root(), &Node::Text("it's".to_owned()));
        for bytes in [
            &b"S'a\n."[..],
            b"Sa'\n.",
            b"S'\n.",
            b"S'\\'\n.",
            b"S'\\x0'\n.",
            b"S'\\xzz'\n.",
        ] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn calls_are_described_and_never_made() {
        // os.system("true"), as hostile pickles have it.
        let pickle = read(b"cos\nsystem\n(S'true'\ntR.").unwrap();
        let Node::Call { callable, .. } = pickle.root() else {
            panic!("{pickle:?}");
        };
        assert_eq!(
            pickle.node(*callable),
            &Node::Global("os".to_owned(), "system".to_owned())
        );
    }

    #[test]
    fn hostile_pickles_are_refused_or_cost_little() {
        for bytes in [
            &b"."[..],
            b"(.",
            b"0.",
            b"(0.",
            b"N(0.",
            b"h\x05.",
            b"\x85.",
            b"(N\x86.",
            b"NNs.",
            b"](NNu.",
            b"}(Nu.",
            b"Na.",
            b"\x8b\xff\xff\xff\xff.",
            b"X\xff\xff\xff\xffabc.",
            b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff.",
            b"(i__main__\nX\n.",
            b"\x82\x01.",
        ] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
        // Lists of lists: copies would be 2⁴⁰ of them, and recursion as deep.
        let mut bytes = b"]q\x00".to_vec();
        for _ in 0..40 {
            bytes.extend(b"0](h\x00h\x00eq\x00");
        }
        bytes.push(b'.');
        assert!(read(&bytes).is_ok());
        // A list in itself.
        assert!(read(b"]q\x00h\x00a.").is_ok());
    }
}
