//! The tool as it is used: a command, its exit code, and the files it leaves.

mod new;
mod verbs;
