"""Our encoders as others' interfaces: an s3prl upstream, a HEAR module, an X-ARES encoder, a scikit-learn transformer."""
