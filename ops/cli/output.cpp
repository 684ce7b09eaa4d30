#include "ops/cli/output.hpp"

#include "ops/cli/human_text.hpp"
#include "ops/cli/yaml_text.hpp"
#include "storage/model/json_text.hpp"

namespace rowlock::ops {

std::optional<output_format> parse_output_format(std::string_view name)
{
    if (name == "human") return output_format::human;
    if (name == "json") return output_format::json;
    if (name == "yaml") return output_format::yaml;
    return std::nullopt;
}

void output::configure(output_format format, const terminal_style& style, bool quiet)
{
    format_ = format;
    style_ = style;
    quiet_ = quiet;
}

void output::document(const boost::json::value& answer)
{
    if (format_ == output_format::yaml) out_ << to_yaml_text(answer);
    else out_ << to_pretty_text(answer) << '\n';
    out_.flush();
}

void output::show(const table& answer)
{
    out_ << answer.render(style_) << std::flush;
}

void output::show(const field_list& answer)
{
    out_ << answer.render(style_) << std::flush;
}

void output::line(std::string_view text)
{
    out_ << printable(text) << '\n' << std::flush;
}

void output::raw(std::string_view bytes)
{
    out_ << bytes << std::flush;
}

void output::notice(std::string_view text)
{
    if (!quiet_) err_ << printable(text) << '\n' << std::flush;
}

void output::report(const refusal& r)
{
    err_ << paint("error:", colour::red, style_.err_colour) << ' ' << printable(r.title) << '\n';
    if (!r.detail.empty()) err_ << "  " << printable(r.detail) << '\n';
    for (const field_error& field : r.fields) err_ << "  " << field_line(field) << '\n';
    err_ << std::flush;
}

void output::complaint(std::string_view text)
{
    err_ << printable(text) << '\n' << std::flush;
}

}
