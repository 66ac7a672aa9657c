//! Health checks, metrics and traces that any module can contribute.
