"""What interpret-community and interpret-core ask of explanation objects."""
