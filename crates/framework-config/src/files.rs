use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::{
    fault::Fault,
    node::Node,
    parse::{self, Format},
};

/// The most that a file may hold, in bytes.
pub(crate) const MAX_BYTES: u64 = 1 << 20;

const EXTENSIONS: [&str; 4] = ["toml", "yaml", "yml", "json"];

/// Where the file `name` of `directory` may be.
pub(crate) fn named(directory: &Path, name: &str) -> [PathBuf; 4] {
    EXTENSIONS.map(|extension| directory.join(format!("{name}.{extension}")))
}

/// Reads the file `name` of `directory`, in whatever format it is there; `None` if it is not.
pub(crate) fn read_named(directory: &Path, name: &str) -> Result<Option<(String, Node)>, Fault> {
    let paths = named(directory, name);
    let found: Vec<&PathBuf> = paths.iter().filter(|path| path.exists()).collect();
    match found[..] {
        [] => Ok(None),
        [path] => read(path).map(Some),
        _ => {
            let names: Vec<_> = found.iter().map(|path| path.display().to_string()).collect();
            let mut fault = Fault::file(names.join(", "), "the same file in several formats");
            fault.cure("keep one of them");
            Err(fault)
        }
    }
}

/// Reads the file at `path`, which must be there.
pub(crate) fn read(path: &Path) -> Result<(String, Node), Fault> {
    let name = path.display().to_string();
    let Some(format) = Format::of(&name) else {
        let mut fault = Fault::file(name, "the format cannot be told from the name");
        fault.cure("name the file .toml, .yaml or .json");
        return Err(fault);
    };
    let text = text(path).map_err(|reason| Fault::file(name.as_str(), reason))?;
    let node = parse::parse(format, &name, &text)?;
    Ok((name, node))
}

/// Reads the file at `path`; an error says why not, and nothing of what it holds.
pub(crate) fn text(path: &Path) -> Result<String, String> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => "the file is not there".to_owned(),
        io::ErrorKind::InvalidData => "the file is not UTF-8 text".to_owned(),
        io::ErrorKind::PermissionDenied => "permission to read it is missing".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    let mut text = String::new();
    // Never more than the limit, whatever a device or a pipe would give.
    File::open(path)
        .map_err(failed)?
        .take(MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > MAX_BYTES {
        return Err("larger than 1 MiB".to_owned());
    }
    Ok(text)
}
