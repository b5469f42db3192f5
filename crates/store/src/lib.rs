//! Where bytes live: atomic publication of files and folders, checksums, locks.
