module example.com/vandal

go 1.22
