package schedule

// MustParse is [Parse] for triggers that stand in the program text. It panics if text is not one.
func MustParse(text string) Trigger {
	t, err := Parse(text)
	if err != nil {
		panic("schedule: MustParse: " + err.Error())
	}
	return t
}
