module example.com/least

go 1.22.0
