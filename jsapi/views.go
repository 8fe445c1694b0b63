package jsapi

// views is what the API keeps for packets in the script.
type views struct{}

func (a *API) initViews() {}
