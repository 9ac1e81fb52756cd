//! What the panels can ask of the models.

use std::path::PathBuf;

use crate::models::Part;

/// What can be asked of the models.
#[derive(Debug, Clone)]
pub enum ModelsCommand {
    /// Looks through all places again.
    Look,
    /// Shows more of one that was found, and tries whether it would open.
    Select(PathBuf),
    /// Shows more of the built-in model.
    SelectBuiltIn,
    /// The built-in model with its own parts.
    UseBuiltIn,
    /// Takes up a model, an adapter, an image encoder or a VAE, or adds a LoRA.
    Use(PathBuf),
    /// Goes without the chosen part.
    Without(Part),
    RemoveLora(usize),
    /// On or off, with its strength kept.
    ToggleLora(usize),
    /// Steps, guidance and sampler as this LoRA for few steps wants them, or back to the artist's own.
    FollowLora(usize, bool),
    /// Opens what was chosen once more, after its file has come back.
    TryAgain,

    OpenFile,
    OpenFolder,
    AddFolder,
    RemoveFolder(PathBuf),
    /// Files or folders that the artist named: says what they are.
    Identify(Vec<PathBuf>),
    UseOffered,
    ForgetOffered,
    /// Looks for models in the folder that was dropped or named, now and from now on.
    LookInOffered,
    ForgetFolder,
    /// Converts the pickle that was dropped or named, in another process.
    Import,
    /// Takes the same weights in another format, which lie beside the pickle.
    UseTwin(PathBuf),
    /// Leaves the pickle alone; ends its conversion.
    ForgetPickled,

    /// Shows the licences under which a model of the list, and what it needs, would be fetched.
    Ask(String),
    /// The same, from elsewhere than the list of downloads.
    ShowDownload(String),
    /// Shows which IP-Adapters there are for the model.
    ShowAdapters,
    /// Goes without references, which stay in the list.
    ReferencesOff,
    Decline,
    /// The licences are accepted: fetches.
    Accept(String),
    /// Ends a download; what is there stays for later.
    Stop(String),
}
