//! One object with everything that can be known of it, each part read when somebody first asks: symbols, debug
//! information, unwind information, USDT probes. Reads files, never the process.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::TargetError;
use super::address::{LinkAddress, LinkRange, LoadBias};
use super::debug_file;
use super::debug_info::{DebugInfo, DebugInfoError};
use super::files::Files;
use super::mapping::MappedObject;
use super::object::Object;
use super::process::Process;
use super::split_files;
use super::symbol::SymbolTable;
use super::usdt::{self, UsdtProbe};

/// An object and what its files say.
pub struct Image<'data> {
    pub object: Object<'data>,
    /// Where it is loaded; 0 for a file that no process has loaded.
    pub bias: LoadBias,
    pub is_executable: bool,
    /// The root of the file system that the process sees.
    root: PathBuf,
    debug_file: Option<Object<'data>>,
    symbols: OnceLock<SymbolTable<'data>>,
    debug_info: OnceLock<Result<DebugInfo<'data>, DebugInfoError>>,
    eh_frame: OnceLock<Option<(Cow<'data, [u8]>, LinkAddress)>>,
}

impl<'data> Image<'data> {
    /// Opens the file that the process has mapped.
    ///
    /// # Errors
    /// See [`MappedObject::open`]; a separate debug file that is damaged is an error too.
    pub fn of_process(mapped: &MappedObject, process: &Process, files: &'data Files) -> Result<Self, TargetError> {
        let object = mapped.open(process, files)?;
        let bias = mapped.bias(&object).unwrap_or(LoadBias(0));
        Self::new(object, bias, mapped.is_executable, &process.root(), files)
    }

    /// Opens a file that need not run.
    ///
    /// # Errors
    /// See [`Object::open`].
    pub fn of_file(path: &Path, files: &'data Files) -> Result<Self, TargetError> {
        Self::new(Object::open(path, files)?, LoadBias(0), true, Path::new("/"), files)
    }

    fn new(
        object: Object<'data>,
        bias: LoadBias,
        is_executable: bool,
        root: &Path,
        files: &'data Files,
    ) -> Result<Self, TargetError> {
        let debug_file = if object.has_debug_info() { None } else { debug_file::find(&object, root, files)? };
        Ok(Self {
            object,
            bias,
            is_executable,
            root: root.to_owned(),
            debug_file,
            symbols: OnceLock::new(),
            debug_info: OnceLock::new(),
            eh_frame: OnceLock::new(),
        })
    }

    /// The separate debug file, if one was found and needed.
    pub fn debug_file(&self) -> Option<&Object<'data>> {
        self.debug_file.as_ref()
    }

    /// The function symbols.
    pub fn symbols(&self) -> &SymbolTable<'data> {
        self.symbols.get_or_init(|| SymbolTable::read(&self.object, self.debug_file.as_ref()))
    }

    /// The debug information, empty if there is none.
    ///
    /// # Errors
    /// Its unit headers are damaged.
    pub fn debug_info(&self) -> Result<&DebugInfo<'data>, &DebugInfoError> {
        let source = self.debug_file.as_ref().unwrap_or(&self.object);
        let load = || {
            let debug_info = DebugInfo::load(|name| source.section_data(name).unwrap_or_default())?;
            let objects = std::iter::once(&self.object).chain(self.debug_file.as_ref());
            let objects = objects.map(|object| object.path().to_owned()).collect();
            Ok(debug_info.with_split_files(split_files::Places { root: self.root.clone(), objects }))
        };
        self.debug_info.get_or_init(load).as_ref()
    }

    /// `.eh_frame` and its address.
    pub fn eh_frame(&self) -> Option<(&[u8], LinkAddress)> {
        self.eh_frame
            .get_or_init(|| {
                let range = self.object.section_range(".eh_frame")?;
                Some((self.object.section_data(".eh_frame").ok()?, range.start))
            })
            .as_ref()
            .map(|(bytes, address)| (bytes.as_ref(), *address))
    }

    /// A section that is not loaded into memory, from the separate debug file if there is one, decompressed.
    pub fn unloaded_section(&self, name: &str, files: &'data Files) -> Option<&'data [u8]> {
        let source = self.debug_file.as_ref().unwrap_or(&self.object);
        match source.section_data(name).ok()? {
            Cow::Borrowed(bytes) => Some(bytes),
            Cow::Owned(bytes) => Some(files.keep(bytes)),
        }
        .filter(|bytes| !bytes.is_empty())
    }

    /// The USDT probes that the object declares.
    ///
    /// # Errors
    /// Its notes are damaged.
    pub fn usdt_probes(&self) -> Result<Vec<UsdtProbe>, TargetError> {
        usdt::probes(&self.object, self.debug_file.as_ref())
    }

    /// Code bytes of a range.
    pub fn code(&self, range: LinkRange) -> Option<&'data [u8]> {
        self.object.bytes_in(range)
    }
}
