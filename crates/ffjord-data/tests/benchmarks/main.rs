//! Files in the originals' formats become what the released loaders' rules make of them, and bad files are errors.

mod damage;
mod originals;
mod rules;
mod stored;
mod texts;
