//! Typed sections of a layered configuration, each value with its origin.
