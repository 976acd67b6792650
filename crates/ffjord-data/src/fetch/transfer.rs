//! One request: the rest of a file, or the whole of it.

use std::io::Read;

use ureq::http::{Response, header};

use super::{Progress, error::MirrorError, partial::Partial};
use crate::manifest::RemoteFile;

/// More bytes than any of the originals has; bounds what a server without a length can make us write.
const MAX_BYTES: u64 = 1 << 34;

/// Asks for the bytes that `partial` lacks and appends them.
///
/// A server that does not know ranges, or whose file has changed, sends the whole file: then it begins anew.
pub(super) fn continue_partial(
    agent: &ureq::Agent,
    file: &RemoteFile,
    partial: &mut Partial,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(), MirrorError> {
    let mut request = agent.get(partial.url());
    if let Some(validator) = partial.validator().filter(|_| partial.length() > 0) {
        request = request
            .header(header::RANGE, format!("bytes={}-", partial.length()))
            .header(header::IF_RANGE, validator);
    }
    let response = request.call().map_err(Box::new)?;
    let total = match response.status().as_u16() {
        200 => {
            partial.restart(validator(&response))?;
            number(&response, header::CONTENT_LENGTH)
        }
        206 => match content_range(&response) {
            Some((start, total)) if start == partial.length() => total,
            _ => return begin_anew(partial, "the server sends another part than was asked for"),
        },
        // All bytes are here already, or more than the file has.
        416 => return begin_anew(partial, "the server has fewer bytes"),
        status => return Err(MirrorError::Status { status }),
    };
    let expected = file.bytes.or(total);
    if let (Some(given), Some(expected)) = (total, file.bytes)
        && given != expected
    {
        return Err(MirrorError::Length { given, expected });
    }
    let mut body = response.into_body().into_reader();
    let mut piece = vec![0; 1 << 16];
    loop {
        let count = match body.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) => return Err(cut(partial, &error.to_string())),
        };
        partial.append(&piece[..count])?;
        let limit = expected.unwrap_or(MAX_BYTES);
        if partial.length() > limit {
            let given = partial.length();
            partial.restart(None)?;
            return Err(MirrorError::Length { given, expected: limit });
        }
        progress(Progress {
            name: &file.name,
            received: partial.length(),
            total: expected,
        });
    }
    match expected {
        Some(expected) if partial.length() < expected => Err(cut(partial, "it ended too early")),
        _ => Ok(()),
    }
}

fn begin_anew(partial: &mut Partial, reason: &str) -> Result<(), MirrorError> {
    let error = cut(partial, reason);
    partial.restart(None)?;
    Err(error)
}

fn cut(partial: &Partial, reason: &str) -> MirrorError {
    MirrorError::Cut {
        received: partial.length(),
        reason: reason.to_owned(),
    }
}

/// What the server recognises this version of the file by; a weak entity tag does not promise the same bytes.
fn validator<B>(response: &Response<B>) -> Option<String> {
    let text = |name| response.headers().get(name)?.to_str().ok().map(str::to_owned);
    text(header::ETAG)
        .filter(|tag| !tag.starts_with("W/"))
        .or_else(|| text(header::LAST_MODIFIED))
}

fn number<B>(response: &Response<B>, name: header::HeaderName) -> Option<u64> {
    response.headers().get(name)?.to_str().ok()?.trim().parse().ok()
}

/// The first byte's place and the whole length of `Content-Range: bytes START-END/TOTAL`.
fn content_range<B>(response: &Response<B>) -> Option<(u64, Option<u64>)> {
    let text = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.trim().parse().ok()?, total.trim().parse().ok()))
}
