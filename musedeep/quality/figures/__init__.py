"""Pictures of quality control, as the release description of MUSE-DEEP shows them."""
