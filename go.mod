module curlew.example/curlew

go 1.26
