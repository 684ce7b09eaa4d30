#pragma once

#include "ops/cli/refusal.hpp"
#include "ops/cli/table.hpp"
#include "ops/cli/terminal.hpp"

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string_view>

namespace rowlock::ops {

enum class output_format : std::uint8_t { human, json, yaml };
std::optional<output_format> parse_output_format(std::string_view name);

// The two streams of the program: stdout carries the answer alone, stderr the rest.
class output {
public:
    output(std::ostream& out, std::ostream& err) : out_(out), err_(err) {}

    void configure(output_format format, const terminal_style& style, bool quiet);
    output_format format() const { return format_; }
    bool human() const { return format_ == output_format::human; }
    bool quiet() const { return quiet_; }
    const terminal_style& style() const { return style_; }
    std::ostream& err() { return err_; }

    // The answer, as JSON or YAML: for use where human() is false.
    void document(const boost::json::value& answer);
    // The answer, for people.
    void show(const table& answer);
    void show(const field_list& answer);
    // A line of it; control characters are made visible.
    void line(std::string_view text);
    // Bytes of it as they are, at once: logs.
    void raw(std::string_view bytes);

    // A line of news on stderr; nothing with --quiet.
    void notice(std::string_view text);
    // One block on stderr, with --quiet too.
    void report(const refusal& r);
    // A line of it, as in "job.yaml:3: timeout_seconds: must be positive (-1)".
    void complaint(std::string_view text);

private:
    std::ostream& out_;
    std::ostream& err_;
    output_format format_ = output_format::human;
    terminal_style style_{};
    bool quiet_ = false;
};

}
