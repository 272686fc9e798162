"""What a custom resource must look like: structural schemas, validation rules (CEL), quantities. Pure, without I/O."""
