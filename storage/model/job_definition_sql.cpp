#include "storage/model/job_definition_parts.hpp"

#include "storage/model/sql_statement.hpp"

namespace rowlock::definition {

namespace {

constexpr text_bounds statement_bounds{1, 1'000'000};
constexpr std::int64_t most_rows = 1000;

}

sql_handler read_sql(json_fields& fields)
{
    sql_handler handler;
    if (!fields.has("connection")) fields.require("connection");
    if (auto connection = fields.slug("connection")) handler.connection = std::move(*connection);
    if (!fields.has("statement")) fields.require("statement");
    if (auto statement = fields.text("statement", statement_bounds)) {
        if (const auto read = read_sql_statement(*statement); !read) fields.refuse(fields.find("statement"), read.error().detail);
        handler.statement = std::move(*statement);
    }
    if (const auto read_only = fields.boolean("read_only")) handler.read_only = *read_only;
    if (const auto rows = fields.integer("rows_limit", 0, most_rows)) handler.rows_limit = static_cast<int>(*rows);
    handler.statement_timeout = fields.seconds("statement_timeout_seconds", milliseconds{1}, longest_statement);
    if (const auto limit = fields.integer("outputs_limit_bytes", 1024, most_output_bytes)) handler.outputs_limit_bytes = *limit;
    return handler;
}

}
