use super::*;

const FILE: &str = "\
# The shop.
[http] # the front door
addr = \"[::]:80\"   # for all
# x.y is dotted
tls.cert = \"a\"

[[pool]]
size = 1
";

fn edited(text: &str, edit: impl FnOnce(&mut ConfigFile)) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.toml");
    fs::write(&path, text).unwrap();
    let mut file = ConfigFile::open(&path).unwrap();
    edit(&mut file);
    file.save().unwrap();
    fs::read_to_string(&path).unwrap()
}

#[test]
fn what_is_not_changed_stays_as_people_wrote_it() {
    assert_eq!(edited(FILE, |_| {}), FILE);
    let text = edited(FILE, |file| {
        file.set("http.addr", &"[::1]:80".into()).unwrap();
        file.set("http.tls.key", &"b".into()).unwrap();
        file.set("catalog.limits.page_size", &7.into()).unwrap();
    });
    let expected = FILE
        .replace("[::]:80", "[::1]:80")
        .replace("tls.cert = \"a\"\n", "tls.cert = \"a\"\ntls.key = \"b\"\n")
        + "\n[catalog.limits]\npage_size = 7\n";
    assert_eq!(text, expected);
}

#[test]
fn a_key_that_is_removed_leaves_the_others() {
    let text = edited(FILE, |file| {
        assert!(file.remove("http.addr"));
        assert!(!file.remove("http.addr") && !file.remove("no.such.key"));
    });
    assert_eq!(text, FILE.replace("addr = \"[::]:80\"   # for all\n", ""));
}

#[test]
fn a_value_is_no_table_and_a_table_no_value() {
    let mut file = ConfigFile { path: "app.toml".into(), document: FILE.parse().unwrap() };
    for key in ["http.addr.port", "http", "pool.size"] {
        assert!(file.set(key, &1.into()).is_err(), "{key}");
    }
    assert!(matches!(file.set("http.addr", &Value::Null), Err(ConfigFileError::NoValue { .. })));
    assert!(matches!(ConfigFile::open("app.yaml"), Err(ConfigFileError::NotToml { .. })));
}

#[cfg(unix)]
#[test]
fn a_link_and_the_permissions_stay() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let directory = tempfile::tempdir().unwrap();
    let (real, link) = (directory.path().join("real.toml"), directory.path().join("app.toml"));
    fs::write(&real, "").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("real.toml", &link).unwrap();
    let mut file = ConfigFile::open(&link).unwrap();
    file.set("a.b", &1.into()).unwrap();
    file.save().unwrap();
    assert!(link.is_symlink());
    assert_eq!(fs::read_to_string(&real).unwrap(), "[a]\nb = 1\n");
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "nothing is left behind");
}

#[test]
fn a_file_that_cannot_be_written_stays_what_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.toml");
    // A directory in the place of the file: the rename fails.
    fs::create_dir(&path).unwrap();
    fs::write(path.join("x"), "").unwrap();
    assert!(write_whole(&path, b"x", Access::Kept).is_err());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}
