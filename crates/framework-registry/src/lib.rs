//! Turns the declarations of modules into a plan, or into everything that is wrong with them.
