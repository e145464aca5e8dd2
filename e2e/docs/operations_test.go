package docs

// operationsPage says how it is kept running. What stands below "Who did what" is run elsewhere, in e2e.
const operationsPage = "../../docs/operations.md"
