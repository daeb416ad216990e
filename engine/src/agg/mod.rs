//! Aggregate functions. Their results are the same bits in whatever order the rows
//! come.
