// Package rows keeps the list of bad inputs that everything here must stand, by
// their IDs, and sees to it that each has a test which names it.
//
// An ID is named by a test that has it in its own name (TestSF1_WaysOut,
// TestH1_9Pipelined for H1-9) or in a string that begins with it (a case of a table:
// "HS4 method in lower case"). What needs something that is not there yet, or cannot
// happen here, has the reason in [Without] instead. A row that is tested in part may
// have both; then the reason says what is missing.
package rows
