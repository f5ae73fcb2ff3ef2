//! The program as a user meets it: exit codes, messages, signals, output.

mod bench;
mod built;
mod c10m;
mod faults;
mod hogs;
mod in_hand;
mod interchange;
mod interrupted;
mod knee;
mod load;
mod modes;
mod null_server;
mod orphans;
mod output;
mod overload;
mod program;
mod report;
mod rings;
mod serve;
mod serve_listen;
mod serve_output;
mod shortages;
mod streams;
mod sweep;
mod tune;
