use framework_core::ErrorCode;

/// A file of the configuration cannot be read.
pub(crate) static UNREADABLE: ErrorCode = ErrorCode {
    id: "E0401",
    title: "a source of the configuration cannot be read",
    page: "\
A file of the configuration cannot be opened, is not valid TOML, YAML or JSON, or an argument of
`--set` is not of the form KEY=VALUE. As long as one source cannot be read, nobody knows what the
others would amount to, so nothing else is checked yet.

Causes
  * A mistake in the syntax. The place is given as file:line:column.
  * A file named with `--config` that is not there. The files of the directory `config` may be
    absent; one that is asked for by name may not.
  * The same name in two formats, such as config/app.toml and config/app.yaml: which one counts
    would be a guess.
  * A file larger than 1 MiB, or nested deeper than 64 levels, or more than 32 files that are
    included.
  * A file that `include` names and that is not there, or that includes itself.

What to do
  Correct the line that is named. `APP config reference` prints every key with its default.

Example
  error[E0401]: a source of the configuration cannot be read

      config/app.toml:3:16   invalid float

  Line 3 reads `addr = 127.0.0.1:8080`; write `addr = \"127.0.0.1:8080\"`.
",
};

/// Values of the configuration are wrong.
pub(crate) static INVALID: ErrorCode = ErrorCode {
    id: "E0402",
    title: "the configuration is wrong",
    page: "\
Every source could be read, but what they say together does not fit what the modules ask for. All
problems of all sections are listed at once, each with its key, the place that set it, and a cure
where one is known. Nothing has been started, and nothing has been changed.

Causes
  * An unknown key, most often a slip of the pen: the nearest known key is named. A key or section
    that starts with `x-` is never looked at, which leaves room for notes and anchors.
  * A value of the wrong type: a word where a number belongs, a number without its unit. Durations
    read `30s` or `1m 30s`, sizes `512MiB`.
  * A value that its module refuses: out of range, or in conflict with another.
  * A reference that cannot be followed: `${env:NAME}` without such a variable, `${file:/path}`
    without such a file.

What to do
  Go to the place in the third column. If that is not where you expected the value to be set, see
  `APP config show --origin`: sources later in the list win (defaults, config/app.*,
  config/PROFILE.*, --config, environment, --set).

Example
  error[E0402]: 2 problems in the configuration

      http.prot                      unknown key    config/prod.toml:4:1           did you mean `http.port`?
      http.request_timeout = \"10\"    missing unit   env SHOP_HTTP__REQUEST_TIMEOUT   write \"10s\"
",
};

/// Two modules claim one section with different types.
pub(crate) static CLAIMED_TWICE: ErrorCode = ErrorCode {
    id: "E0403",
    title: "a section of the configuration is claimed with two types",
    page: "\
Two modules ask for the same section of the configuration, but each with a type of its own. One of
them would reject the keys of the other, and both would have to change together.

Causes
  * Two modules chose the same name by accident.
  * One module wants to read what belongs to another.

What to do
  Give one of the sections another name. If both modules really need the same settings, let them
  name the same type: that shares the section.

Example
  error[E0403]: the section `cache` is claimed with two types

      `orders` reads it as OrderCache     crates/orders/src/lib.rs:14
      `catalog` reads it as PageCache     crates/catalog/src/lib.rs:9
",
};

/// A constructor takes a section that cannot be told by its type.
pub(crate) static UNCLEAR_SECTION: ErrorCode = ErrorCode {
    id: "E0404",
    title: "a constructor takes a section that cannot be told by its type",
    page: "\
A constructor takes `Config<T>`, which names its section by type only, so exactly one section of the
application must be read as a `T`.

Causes
  * No module claims a section as this type.
  * Several sections are read as one type.

What to do
  Claim the section in the module that it belongs to: `reg.config::<T>(\"name\")`. Where several
  sections look alike, give each a type of its own, or read the section in the module and hand the
  constructor what it wants.

Example
  error[E0404]: `catalog` takes `Config<CatalogSettings>`, and no section is read as that

      taken by `catalog`   crates/catalog/src/lib.rs:14

  help: claim it in a module: `reg.config::<CatalogSettings>(\"…\")`
",
};

/// Every code of this crate, for `explain`.
pub static CODES: &[&ErrorCode] = &[&UNREADABLE, &INVALID, &CLAIMED_TWICE, &UNCLEAR_SECTION];
