"""Files that people give us, read with limits, and files for people, written whole or not at all.

What to use to write:

    places.FilePlace                 a file that the user named: checked before any work, written at the end
    folders.WholeFolder              the same for a folder
    output.OutputFile                the same for a command that may write to standard output (`-`)
    whole.write_whole                a small file in a folder of ours (state, cursors): replaced in one step
    whole.open_own                   a file of ours that grows (spool, journals)
    sealed                           lines of such a file with a checksum

And to read, or to check names:

    text_input, packed               text in UTF-8 or UTF-16, and compressed input
    toml, xml                        documents that people or other programs wrote
    clashes, names                   before writing: outputs that are also inputs, names that promise another format
"""
