use framework_core::ErrorCode;

/// Two checks of a module have one name.
pub(crate) static DUPLICATE_CHECK: ErrorCode = ErrorCode {
    id: "E0601",
    title: "two health checks have one name",
    page: "\
A health check is known by its module and its name: in `/health`, in the log and in the labels of
its metrics. Two checks of one module with one name would write over each other there, and an alert
on the one could not be told from an alert on the other.

Causes
  * A copied line `reg.health(\"database\", ...)`.
  * A function that registers a check and is called twice, for two databases.

What to do
  Give each check of the module the name of what it looks at. Checks of different modules may share
  a name.

Example
  error[E0601]: `catalog` has two health checks called `database`

      the first    src/catalog.rs:21:13
      the second   src/catalog.rs:34:13

  help: name each after what it looks at: `database-replica`
",
};

/// Every code of this crate, for `explain`.
pub static CODES: &[&ErrorCode] = &[&DUPLICATE_CHECK];
