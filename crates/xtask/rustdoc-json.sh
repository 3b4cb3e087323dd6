#!/bin/sh
# rustdoc with its unstable options, and no other program: a variable for all of cargo would build everything again.
RUSTC_BOOTSTRAP=1 exec rustdoc "$@"
