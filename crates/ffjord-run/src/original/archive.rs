//! The two files that `torch.save` has written: a zip archive since PyTorch 1.6, and before a stream of pickles that is
//! followed by the numbers.

use super::view::{View, storage, view};
use ffjord_data::pickle::{Node, Pickle};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// What the old stream begins with: a pickle of the number 0x1950a86a20f9469cfc6c in protocol 2.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";
/// A pickle of a checkpoint holds names and sizes; the numbers lie elsewhere.
const LARGEST_PICKLE: u64 = 1 << 26;

/// An opened checkpoint: its objects, and where its numbers are.
pub(super) struct Archive {
    pub(super) pickle: Pickle,
    numbers: Numbers,
    /// The file's length, which bounds what its tensors may hold together.
    length: u64,
}

enum Numbers {
    /// In entries of the archive, below this folder.
    Zip(Box<zip::ZipArchive<BufReader<File>>>, String),
    /// Behind the pickles, by key.
    Stream(HashMap<String, Vec<u8>>),
}

/// The numbers of a tensor in row-major order, and its shape.
pub(super) struct Values {
    pub(super) values: Vec<f64>,
    pub(super) shape: Vec<usize>,
}

impl Archive {
    /// Opens a file of either kind.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let mut file = File::open(path).map_err(|error| format!("it cannot be opened: {error}"))?;
        let length = file.metadata().map_err(|error| error.to_string())?.len();
        let mut start = Vec::new();
        let read = Read::by_ref(&mut file)
            .take(LEGACY.len() as u64)
            .read_to_end(&mut start);
        read.map_err(|error| format!("it cannot be read: {error}"))?;
        let file = File::open(path).map_err(|error| format!("it cannot be opened: {error}"))?;
        let (pickle, numbers) = match start == LEGACY {
            true => legacy(BufReader::new(file))?,
            false => zip(BufReader::new(file))?,
        };
        Ok(Self {
            pickle,
            numbers,
            length,
        })
    }

    /// All tensors of the dictionary `state_dict`.
    ///
    /// # Errors
    /// What is wrong with one, by name.
    pub(super) fn state_dict(&mut self) -> Result<Vec<(String, Values)>, String> {
        let state = self.pickle.get(self.pickle.root(), "state_dict");
        let state = state.ok_or("it has no `state_dict`")?;
        let mut views = Vec::new();
        let mut elements = 0_u64;
        for (name, node) in self.pickle.entries(state) {
            let of = |reason: String| format!("its tensor `{name}` cannot be read: {reason}");
            let Some(view) = view(&self.pickle, node).map_err(of)? else {
                continue;
            };
            let count = view.check().map_err(of)?;
            elements = elements.saturating_add(count);
            // Views that repeat elements of one storage could otherwise be larger than any memory.
            if elements > self.length {
                return Err(of(format!(
                    "its tensors up to here have {elements} elements, more than the file has bytes"
                )));
            }
            views.push((name.to_owned(), view));
        }
        let mut tensors = Vec::new();
        for (name, view) in views {
            let of = |reason: String| format!("its tensor `{name}` cannot be read: {reason}");
            let values = self.values(&view).map_err(of)?;
            tensors.push((name, values));
        }
        Ok(tensors)
    }

    fn values(&mut self, view: &View) -> Result<Values, String> {
        let width = view.kind.width() as u64;
        let needed = view.storage.checked_mul(width).filter(|bytes| *bytes <= self.length);
        let needed = needed.ok_or("its storage is said to be larger than the file")?;
        let read;
        let bytes: &[u8] = match &mut self.numbers {
            Numbers::Stream(storages) => storages.get(&view.key).ok_or("its numbers are not in the file")?,
            Numbers::Zip(archive, folder) => {
                let entry = archive.by_name(&format!("{folder}/data/{}", view.key));
                let entry = entry.map_err(|_| "its numbers are not in the archive")?;
                let mut bytes = Vec::new();
                let taken = entry.take(needed).read_to_end(&mut bytes);
                taken.map_err(|error| format!("its numbers cannot be read: {error}"))?;
                read = bytes;
                &read
            }
        };
        if (bytes.len() as u64) < needed {
            return Err(format!(
                "its storage takes {needed} bytes, but {} are there",
                bytes.len()
            ));
        }
        let width = view.kind.width();
        let element = |index: u64| {
            let start = index as usize * width;
            view.kind.decode(&bytes[start..start + width])
        };
        Ok(Values {
            values: view.indices().into_iter().map(element).collect(),
            shape: view.size.iter().map(|size| *size as usize).collect(),
        })
    }
}

/// The archive of newer programs.
fn zip(file: BufReader<File>) -> Result<(Pickle, Numbers), String> {
    let mut archive = zip::ZipArchive::new(file).map_err(|error| {
        format!("it is neither a zip archive ({error}) nor the stream that PyTorch wrote before version 1.6")
    })?;
    let names = archive.file_names().filter_map(Result::ok);
    let mut folders = names.filter_map(|name| Some(name.strip_suffix("/data.pkl")?.to_owned()));
    let folder = folders.next().ok_or("the archive has no data.pkl")?;
    drop(folders);
    let mut read = |name: &str| -> Option<Result<Vec<u8>, String>> {
        let entry = archive.by_name(&format!("{folder}/{name}")).ok()?;
        let mut bytes = Vec::new();
        let taken = entry.take(LARGEST_PICKLE + 1).read_to_end(&mut bytes);
        Some(
            taken
                .map(|_| bytes)
                .map_err(|error| format!("its {name} cannot be read: {error}")),
        )
    };
    if read("byteorder")
        .transpose()?
        .is_some_and(|order| order.starts_with(b"big"))
    {
        return Err("its numbers are big-endian: save it on a little-endian machine".to_owned());
    }
    let bytes = read("data.pkl").ok_or("the archive has no data.pkl")??;
    if bytes.len() as u64 > LARGEST_PICKLE {
        return Err(format!(
            "its data.pkl is larger than {LARGEST_PICKLE} bytes, which no checkpoint's is"
        ));
    }
    let pickle = Pickle::read(&mut bytes.as_slice())?;
    Ok((pickle, Numbers::Zip(Box::new(archive), folder)))
}

/// The stream of older programs: a magic number, a version, the machine, the objects, the keys of the storages, and for
/// every key a count and its numbers.
fn legacy(mut file: BufReader<File>) -> Result<(Pickle, Numbers), String> {
    let mut whole = Vec::new();
    let read = file.read_to_end(&mut whole);
    read.map_err(|error| format!("it cannot be read: {error}"))?;
    let mut bytes = whole.as_slice();
    Pickle::read(&mut bytes)?;
    let version = Pickle::read(&mut bytes)?;
    if version.root() != &Node::Int(1001) {
        return Err("its version of PyTorch's old format is not 1001, the only one there was".to_owned());
    }
    let machine = Pickle::read(&mut bytes)?;
    if machine.get(machine.root(), "little_endian") == Some(&Node::Bool(false)) {
        return Err("its numbers are big-endian: save it on a little-endian machine".to_owned());
    }
    let pickle = Pickle::read(&mut bytes)?;
    let keys = Pickle::read(&mut bytes)?;
    let keys = keys
        .elements(keys.root())
        .map(|keys| keys.into_iter().cloned().collect::<Vec<_>>());
    let widths = widths(&pickle);
    let mut storages = HashMap::new();
    for key in keys.ok_or("its list of storages is none")? {
        let Node::Text(key) = key else {
            return Err("the key of a storage is no text".to_owned());
        };
        let width = *widths.get(&key).ok_or("it has a storage of no tensor")?;
        let ended = || format!("it ends within the numbers of storage {key}: the file is damaged or incomplete");
        let (count, rest) = bytes.split_first_chunk().ok_or_else(ended)?;
        let length = u64::from_le_bytes(*count).checked_mul(width as u64);
        let length = length.and_then(|length| usize::try_from(length).ok());
        let length = length.filter(|length| *length <= rest.len()).ok_or_else(ended)?;
        let (numbers, rest) = rest.split_at(length);
        storages.insert(key, numbers.to_vec());
        bytes = rest;
    }
    Ok((pickle, Numbers::Stream(storages)))
}

/// The bytes of an element of every storage that a pickle refers to.
fn widths(pickle: &Pickle) -> HashMap<String, usize> {
    let storages = pickle.nodes().filter_map(|node| match node {
        Node::Persistent(id) => storage(pickle, *id).ok(),
        _ => None,
    });
    storages.map(|(key, kind, _)| (key, kind.width())).collect()
}
