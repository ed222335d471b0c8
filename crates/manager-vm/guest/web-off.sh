# tls is off: nothing listens for the public.
setup_web() { :; }
