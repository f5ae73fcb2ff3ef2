//! bpf(2) and setsockopt(2) as far as a reuseport group needs them: a counter, a program over it, and
//! attaching a program of either kind. The server's `balance` defines the programs.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

/// `enum bpf_cmd`, `bpf_map_type` and `bpf_prog_type` of linux/bpf.h.
const BPF_MAP_CREATE: libc::c_int = 0;
const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_MAP_TYPE_ARRAY: u32 = 2;
const BPF_PROG_TYPE_SOCKET_FILTER: u32 = 1;

/// Of asm-generic/socket.h; since Linux 4.6 for TCP. The libc crate has them for Android only.
const SO_ATTACH_REUSEPORT_CBPF: libc::c_int = 51;
const SO_ATTACH_REUSEPORT_EBPF: libc::c_int = 52;
/// Since Linux 5.3.
const SO_DETACH_REUSEPORT_BPF: libc::c_int = 68;

/// What `bpftool prog` shows; at most 15 bytes (BPF_OBJ_NAME_LEN).
const PROGRAM_NAME: &[u8; 16] = b"c10m_robin\0\0\0\0\0\0";
/// Only helpers marked GPL need another one, and the program calls none.
const LICENSE: &CStr = c"MIT";

/// One instruction of eBPF (`struct bpf_insn`).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    code: u8,
    /// Two bit fields of four bits, destination first; the machine's endianness decides their order.
    registers: u8,
    offset: i16,
    immediate: i32,
}

impl Instruction {
    /// `code` over the registers `destination` and `source`, each below 11, without an offset.
    pub const fn new(code: u8, destination: u8, source: u8, immediate: i32) -> Instruction {
        let registers = if cfg!(target_endian = "big") { destination << 4 | source } else { source << 4 | destination };
        Instruction { code, registers, offset: 0, immediate }
    }
}

/// The head of `union bpf_attr` for BPF_MAP_CREATE; omitted fields count as zero.
#[repr(C)]
struct MapAttributes {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
}

/// The head of `union bpf_attr` for BPF_PROG_LOAD, without padding between its fields.
#[repr(C)]
struct ProgramAttributes {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buffer: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
}

/// A map that holds one `u64`, initially 0. It lives as long as a descriptor or a program refers to it.
///
/// # Errors
/// EPERM without CAP_BPF (or from a seccomp filter), ENOSYS without CONFIG_BPF_SYSCALL.
pub fn counter() -> io::Result<OwnedFd> {
    let attributes = MapAttributes { map_type: BPF_MAP_TYPE_ARRAY, key_size: 4, value_size: 8, max_entries: 1 };
    let size = size_of::<MapAttributes>() as libc::c_uint;
    // SAFETY: for this command the kernel reads `size` bytes at the address and writes none, and all
    // of them are initialised fields without padding.
    descriptor(unsafe { libc::syscall(libc::SYS_bpf, BPF_MAP_CREATE, &raw const attributes, size) })
}

/// Loads a program that sees a segment and returns a number. It lives as long as a descriptor or a reuseport
/// group refers to it.
///
/// # Errors
/// EPERM as for [`counter`], EINVAL when the kernel does not know an instruction.
pub fn load(instructions: &[Instruction]) -> io::Result<OwnedFd> {
    let attributes = ProgramAttributes {
        program_type: BPF_PROG_TYPE_SOCKET_FILTER,
        instruction_count: instructions.len() as u32,
        instructions: instructions.as_ptr().expose_provenance() as u64,
        license: LICENSE.as_ptr().expose_provenance() as u64,
        log_level: 0,
        log_size: 0,
        log_buffer: 0,
        kernel_version: 0,
        flags: 0,
        name: *PROGRAM_NAME,
    };
    let size = size_of::<ProgramAttributes>() as libc::c_uint;
    // SAFETY: for this command and without a log the kernel reads `size` initialised bytes at the
    // address, `instruction_count` instructions and a string with its NUL at the addresses in them,
    // all of which outlive the call, and writes nothing.
    descriptor(unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, &raw const attributes, size) })
}

fn descriptor(result: libc::c_long) -> io::Result<OwnedFd> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: both commands above return a new descriptor, close-on-exec, that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(result as RawFd) })
}

/// Lets a [`load`]ed program choose the listener in the reuseport group of `socket`. The group keeps
/// the program, so its descriptor may be closed.
///
/// # Errors
/// ENOMEM beyond net.core.optmem_max, EINVAL without SO_REUSEPORT.
pub fn attach_extended(socket: &impl AsFd, program: &OwnedFd) -> io::Result<()> {
    let number = program.as_raw_fd();
    let size = size_of::<RawFd>() as libc::socklen_t;
    let socket = socket.as_fd().as_raw_fd();
    let option = SO_ATTACH_REUSEPORT_EBPF;
    // SAFETY: the kernel reads `size` bytes at the address, an initialised int, and writes none.
    nothing(unsafe { libc::setsockopt(socket, libc::SOL_SOCKET, option, (&raw const number).cast(), size) })
}

/// Lets a classic program choose the listener in the reuseport group of `socket`, which keeps a copy.
///
/// # Errors
/// As for [`attach_extended`]; EINVAL also for a program of more than 4,096 instructions
/// (BPF_MAXINSNS) or one that may run off its end.
pub fn attach_classic(socket: &impl AsFd, program: &[libc::sock_filter]) -> io::Result<()> {
    let len = u16::try_from(program.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    let size = size_of::<libc::sock_fprog>() as libc::socklen_t;
    let socket = socket.as_fd().as_raw_fd();
    let option = SO_ATTACH_REUSEPORT_CBPF;
    // SAFETY: the kernel copies `size` bytes at the address and `len` instructions at the address in
    // them, which are borrowed for longer than the call, and writes to neither.
    nothing(unsafe { libc::setsockopt(socket, libc::SOL_SOCKET, option, (&raw const program).cast(), size) })
}

/// Takes away what chooses the listener in the reuseport group of `socket`: the kernel's hash does from here on. False
/// if nothing did.
///
/// # Errors
/// ENOPROTOOPT before Linux 5.3.
pub fn detach(socket: &impl AsFd) -> io::Result<bool> {
    let unused: libc::c_int = 0;
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    let socket = socket.as_fd().as_raw_fd();
    let option = SO_DETACH_REUSEPORT_BPF;
    // SAFETY: the kernel reads `size` bytes at the address, an initialised int, and writes none.
    match nothing(unsafe { libc::setsockopt(socket, libc::SOL_SOCKET, option, (&raw const unused).cast(), size) }) {
        // EINVAL: no group at all, so no program either (`reuseport_detach_prog`).
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINVAL)) => Ok(false),
        result => result.map(|()| true),
    }
}

fn nothing(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
