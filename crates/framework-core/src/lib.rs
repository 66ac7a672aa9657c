//! What a module is and how modules relate: the vocabulary every layer shares.
