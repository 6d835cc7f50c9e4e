// Package thirdparty holds the list of other people's packages in the program
// curlew, as a test.
package thirdparty
