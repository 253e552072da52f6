//! Reads a file of a configuration.

use std::{fs, io::Read, path::Path};

use super::diagnostic::{Code, Diagnostic};

/// The largest file that is read.
pub(super) const MAX_FILE_BYTES: u64 = 16 << 20;

/// The text of a file.
///
/// # Errors
/// It cannot be read, is no regular file (a FIFO would block), is too large, or is not UTF-8.
pub(super) fn text_of(path: &Path) -> Result<String, Box<Diagnostic>> {
    let fault = |code, message: String| Box::new(Diagnostic::of_file(code, path.display().to_string(), message));
    let unreadable = |error: &std::io::Error| {
        let code = if error.kind() == std::io::ErrorKind::NotFound { Code::MissingFile } else { Code::UnreadableFile };
        fault(code, io_reason(error))
    };
    let metadata = fs::metadata(path).map_err(|error| unreadable(&error))?;
    if !metadata.is_file() {
        let kind = if metadata.is_dir() { "a directory" } else { "not a regular file" };
        return Err(fault(Code::UnreadableFile, format!("this is {kind}; expected a file")));
    }
    let too_large = || fault(Code::TooLarge, format!("the file is larger than {} MiB", MAX_FILE_BYTES >> 20));
    if metadata.len() > MAX_FILE_BYTES {
        return Err(too_large());
    }
    let file = fs::File::open(path).map_err(|error| unreadable(&error))?;
    let mut bytes = Vec::new();
    // It may grow while it is read.
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(too_large());
    }
    String::from_utf8(bytes)
        .map_err(|error| fault(Code::Encoding, not_utf8(error.as_bytes(), error.utf8_error().valid_up_to())))
}

fn not_utf8(bytes: &[u8], valid: usize) -> String {
    if matches!(bytes, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..]) {
        return "the file is UTF-16; save it as UTF-8".to_owned();
    }
    let before = &bytes[..valid];
    let line = before.split(|byte| *byte == b'\n').count();
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
    format!("the byte 0x{:02X} at line {line}, column {column} is not UTF-8", bytes[valid])
}

/// An error of the file system without its number.
pub(super) fn io_reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
