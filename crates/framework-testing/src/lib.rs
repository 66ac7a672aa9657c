//! Tests applications as their users see them, and fails every step of their lives in turn.
