"""Raw requests and answers of every upstream attempt in files, where the owner asks for them (`record.dump_dir`)."""
