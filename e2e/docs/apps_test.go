package docs

// appsPage says what to set in each app, and what to type into programs that are no browser. The table of what is run is held
// against the tests of e2e/clients.
const appsPage = "../../docs/apps.md"
