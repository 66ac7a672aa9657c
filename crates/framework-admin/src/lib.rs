//! The operator's listener: health, metrics and what the application knows about itself.
