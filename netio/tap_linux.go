package netio

func openTap(name string, cfg Config) (Link, error) { return nil, noPermission("tap " + name) }
