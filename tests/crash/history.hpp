#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace rowlock::test {

// The first column of what a statement returns.
std::vector<std::string> rows_of(const std::string& database, const std::string& sql);
// The one value that it returns.
std::string value_of(const std::string& database, const std::string& sql);

// Waits until nothing is queued or runs. A database that is away is asked again.
void await_idle(const std::string& database);

// Which rules of the database do not hold at the moment.
std::vector<std::string> violations(const std::string& database);

// Once all has ended: every acknowledged key has one run, which has ended; attempts are numbered without gaps; what was lost went on; and
// nobody ended an execution under a fence that was not its last. `acknowledged`: the execution of each key.
void check_history(const std::string& database, const std::map<std::string, std::string>& acknowledged);

// Against the file that the job `writes` appends to: every run of it that succeeded did its work, and no execution was started twice.
void check_ledger(const std::string& database, const std::filesystem::path& ledger);

}
