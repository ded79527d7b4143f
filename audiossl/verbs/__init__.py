"""What people do here: each verb is a function, and a command with the same name, options and defaults."""
