#pragma once

#include "ops/cli/refusal.hpp"

#include <boost/json/object.hpp>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock::ops {

// The submissions in a file of JSON lines.
struct submission_file {
    std::string name;
    std::vector<boost::json::object> items{};
    std::vector<std::size_t> lines{};        // where each item stands, from 1
};

// Each line that is not blank is a JSON object with the members of a submission, which take the place of those of `request`; its parameters
// are laid over those of `request`. A line without an idempotency key gets `key`/LINE, so that the same file with the same key is submitted
// once. All lines that are wrong are named at once.
outcome_of<submission_file> parse_submissions(std::string name, std::string_view text, const boost::json::object& request, const std::string& key);

// The same of a file, or of stdin for "-".
outcome_of<submission_file> read_submissions(const std::string& path, const boost::json::object& request, const std::string& key);

// The refusal of a batch that begins with item `first`, its fields named by the file's lines: executions[2].priority as "jobs.jsonl:3: priority".
refusal in_lines(refusal of_batch, const submission_file& file, std::size_t first);

}
