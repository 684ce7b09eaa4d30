#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

struct pg_result;

namespace rowlock::runtime {

// The first rows of a statement as JSON: at most so many, at most so many bytes.
class sql_rows {
public:
    sql_rows(int most_rows, std::int64_t most_bytes);

    // Row `row` of a result in text format. All come from one statement.
    void add(const pg_result& from, int row);

    std::int64_t seen() const { return seen_; }
    // {"row_count": N, "rows": [{COLUMN: VALUE}]}, and "truncated": true where rows were left out.
    std::string outputs(std::int64_t row_count) const;

private:
    struct column {
        std::string key;                             // as JSON, with its colon; empty: a later column has the same name
        unsigned int type = 0;
    };

    std::size_t most_rows_;
    std::size_t most_bytes_;
    std::vector<column> columns_;
    std::string rows_;                               // JSON objects, comma between
    std::size_t kept_ = 0;
    std::int64_t seen_ = 0;
    bool truncated_ = false;
};

// A value of PostgreSQL's in its text format (DateStyle ISO) as JSON: booleans, numbers that JSON readers take without loss, json and
// jsonb as they are, points in time as RFC 3339 (in UTC where they have a time zone), anything else as a string. Pure.
void append_sql_value(std::string& out, unsigned int type, std::string_view text);

}
