import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.types.Row;
import org.apache.flink.util.CloseableIterator;

/**
 * Evaluates SQL expressions with Apache Flink and writes type and value of each. See README.md.
 *
 * <p>Usage: FlinkTruth CASES_DIR ROWS_DIR [NAME...]
 */
public class FlinkTruth {
    private static final int BATCH = 60;

    /** What one evaluation gave. */
    record Answer(String type, String value) {
        boolean refused() {
            return value != null && value.startsWith("REFUSED:");
        }
    }

    private final StreamTableEnvironment streaming;
    private final StreamTableEnvironment batch;
    private final ExecutorService pool = Executors.newFixedThreadPool(6);
    private int jobs;

    FlinkTruth(MiniCluster cluster) throws Exception {
        streaming = environment(cluster, EnvironmentSettings.inStreamingMode());
        batch = environment(cluster, EnvironmentSettings.inBatchMode());
    }

    private static StreamTableEnvironment environment(MiniCluster cluster, EnvironmentSettings mode)
            throws Exception {
        Configuration conf = new Configuration();
        conf.setString("restart-strategy.type", "none");
        conf.setString("parallelism.default", "1");
        conf.setString("execution.batch.adaptive.auto-parallelism.enabled", "false");
        var rest = cluster.getRestAddress().get();
        var env =
                StreamExecutionEnvironment.createRemoteEnvironment(
                        rest.getHost(), rest.getPort(), conf);
        env.setParallelism(1);
        var table = StreamTableEnvironment.create(env, mode);
        table.getConfig().set("table.local-time-zone", "UTC");
        table.createTemporarySystemFunction("RT", Rt.class);
        table.createTemporarySystemFunction("RTN", Rt.Nullable.class);
        return table;
    }

    // ---------------------------------------------------------------- running

    private Answer plan(StreamTableEnvironment env, String query) {
        try {
            LogicalType type =
                    env.sqlQuery(query).getResolvedSchema().getColumnDataTypes().get(0).getLogicalType();
            return new Answer(typeName(type), null);
        } catch (Throwable t) {
            return new Answer("", "REFUSED:" + firstLine(t, true));
        }
    }

    private static String typeName(LogicalType type) {
        try {
            return type.asSerializableString();
        } catch (RuntimeException e) {
            return type.asSummaryString();
        }
    }

    /** A part of a list of expressions that goes into one query. */
    record Part(int lo, int hi) {
        List<Part> quarters() {
            List<Part> parts = new ArrayList<>();
            int step = Math.max(1, (hi - lo) / 4);
            for (int i = lo; i < hi; i += step) {
                parts.add(new Part(i, Math.min(hi, i + step)));
            }
            return parts;
        }
    }

    record Running(Part part, Future<Row> row) {}

    /**
     * Evaluates all items, up to {@code size} of them in one query; a query that fails is cut until
     * the culprit is alone. Planning stays in this thread (the planner keeps state per thread);
     * waiting for a job does not, since most of a short job's time is waiting.
     */
    private void runAll(
            StreamTableEnvironment env,
            List<String> items,
            String from,
            int size,
            Map<String, String> values)
            throws Exception {
        ArrayDeque<Part> todo = new ArrayDeque<>();
        for (int i = 0; i < items.size(); i += size) {
            todo.add(new Part(i, Math.min(items.size(), i + size)));
        }
        ArrayDeque<Running> running = new ArrayDeque<>();
        while (!todo.isEmpty() || !running.isEmpty()) {
            if (!todo.isEmpty() && running.size() < 6) {
                Part part = todo.poll();
                String select = "SELECT " + String.join(", ", items.subList(part.lo, part.hi)) + from;
                try {
                    jobs++;
                    TableResult result = env.executeSql(select);
                    running.add(new Running(part, pool.submit(() -> lastRow(result))));
                } catch (Throwable t) {
                    failed(t, true, part, items, values, todo);
                }
                continue;
            }
            Running done = running.poll();
            try {
                Row row = done.row.get();
                for (int i = done.part.lo; i < done.part.hi; i++) {
                    String value = row == null ? "NO ROW" : text(row.getField(i - done.part.lo));
                    values.put(items.get(i), value);
                }
            } catch (ExecutionException e) {
                failed(e.getCause(), false, done.part, items, values, todo);
            }
        }
    }

    private static void failed(
            Throwable t,
            boolean planning,
            Part part,
            List<String> items,
            Map<String, String> values,
            ArrayDeque<Part> todo) {
        if (part.hi - part.lo > 1) {
            todo.addAll(part.quarters());
        } else {
            values.put(items.get(part.lo), (planning ? "REFUSED:" : "ERROR:") + firstLine(t, planning));
        }
    }

    private static Row lastRow(TableResult result) throws Exception {
        Row row = null;
        try (CloseableIterator<Row> rows = result.collect()) {
            while (rows.hasNext()) {
                row = rows.next();
            }
        }
        return row;
    }

    private List<Answer> evaluate(StreamTableEnvironment env, List<String> expressions, String from)
            throws Exception {
        List<Answer> answers = new ArrayList<>();
        List<String> good = new ArrayList<>();
        for (String e : expressions) {
            Answer a = e == null ? null : plan(env, "SELECT " + e + from);
            answers.add(a);
            if (a != null && !a.refused()) {
                good.add(e);
            }
        }
        Map<String, String> values = new HashMap<>();
        runAll(env, good.stream().filter(e -> !e.startsWith("CAST(")).toList(), from, BATCH, values);
        // A cast fails where TRY_CAST of the same gave NULL: such ones run alone.
        Map<Boolean, List<String>> casts =
                good.stream()
                        .filter(e -> e.startsWith("CAST("))
                        .collect(
                                Collectors.partitioningBy(
                                        e ->
                                                "\\N".equals(values.get("TRY_" + e))
                                                        && !NULL_CAST.matcher(e).find()));
        runAll(env, casts.get(false), from, BATCH, values);
        runAll(env, casts.get(true), from, 1, values);
        for (int i = 0; i < answers.size(); i++) {
            Answer a = answers.get(i);
            if (a != null && !a.refused()) {
                answers.set(i, new Answer(a.type(), values.get(expressions.get(i))));
            }
        }
        return answers;
    }

    private static final Pattern NULL_CAST = Pattern.compile("\\bNULL\\b");

    // ---------------------------------------------------------------- printing

    static String text(Object v) {
        if (v == null) {
            return "\\N";
        } else if (v instanceof String s) {
            return escape(s);
        } else if (v instanceof byte[] b) {
            return HexFormat.of().formatHex(b);
        } else if (v instanceof BigDecimal d) {
            return d.toPlainString();
        } else if (v instanceof LocalDateTime t) {
            return DateTimeFormatter.ISO_LOCAL_DATE_TIME.format(t);
        } else if (v instanceof Instant t) {
            return DateTimeFormatter.ISO_LOCAL_DATE_TIME.format(
                            LocalDateTime.ofInstant(t, ZoneOffset.UTC))
                    + "Z";
        } else if (v instanceof LocalTime t) {
            return DateTimeFormatter.ISO_LOCAL_TIME.format(t);
        } else if (v instanceof LocalDate t) {
            return DateTimeFormatter.ISO_LOCAL_DATE.format(t);
        } else if (v instanceof Object[] a) {
            return Arrays.stream(a).map(FlinkTruth::text).collect(Collectors.joining(", ", "[", "]"));
        }
        return escape(v.toString());
    }

    static String escape(String s) {
        return s.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r");
    }

    /** The innermost cause: class (for run time errors) and first line of its message. */
    static String firstLine(Throwable t, boolean planning) {
        Throwable cause = t;
        Throwable named = t;
        while (cause != null) {
            if (cause.getMessage() != null || cause.getCause() == null) {
                named = cause;
            }
            cause = cause.getCause() == cause ? null : cause.getCause();
        }
        String name = named.getClass().getSimpleName();
        String message = named.getMessage() == null ? "" : named.getMessage();
        // A failure that came over the wire is one text with the stack of the remote side.
        Matcher m = Pattern.compile("(?m)^Caused by: ([\\w.$]+)(?:: (.*))?$").matcher(message);
        while (m.find()) {
            name = m.group(1).substring(m.group(1).lastIndexOf('.') + 1);
            message = m.group(2) == null ? "" : m.group(2);
        }
        Matcher first = Pattern.compile("\\A\\s*([a-z]\\w*\\.[\\w.$]+(?:Exception|Error))(?:: (.*))?").matcher(message);
        if (first.find()) {
            name = first.group(1).substring(first.group(1).lastIndexOf('.') + 1);
            message = first.group(2) == null ? "" : first.group(2);
        }
        String line = message.strip().lines().findFirst().orElse("");
        return escape(planning ? (line.isEmpty() ? name : line) : name + (line.isEmpty() ? "" : ": " + line));
    }

    // ---------------------------------------------------------------- hiding literals

    private static final Pattern TOKEN =
            Pattern.compile(
                    "(?<castnull>CAST\\(NULL AS \\w+(?:\\(\\d+(?:, *\\d+)?\\))?\\))"
                            + "|(?<temporal>\\b(?:DATE|TIME|TIMESTAMP)\\s+'(?:[^']|'')*')"
                            + "|(?<interval>\\bINTERVAL\\s+-?'(?:[^']|'')*'\\s*\\w+(?:\\(\\d+(?:, *\\d+)?\\))?(?:\\s+TO\\s+\\w+(?:\\(\\d+\\))?)?)"
                            + "|(?<typeargs>\\b(?:DECIMAL|NUMERIC|CHAR|VARCHAR|BINARY|VARBINARY|TIME|TIMESTAMP|TIMESTAMP_LTZ)\\s*\\(\\s*\\d+(?:\\s*,\\s*\\d+)?\\s*\\))"
                            + "|(?<is>\\bIS\\s+(?:NOT\\s+)?(?:TRUE|FALSE|NULL|UNKNOWN)\\b)"
                            + "|(?<onclause>\\b(?:DEFAULT\\s+(?:'(?:[^']|'')*'|-?[\\d.]+)|ESCAPE\\s+'(?:[^']|'')*')|\\b(?:TRUE|FALSE) ON ERROR)"
                            + "|(?<unistring>U&'(?:[^']|'')*')"
                            + "|(?<string>\\b[xX]?'(?:[^']|'')*'|'(?:[^']|'')*')"
                            + "|(?<bool>\\b(?:TRUE|FALSE)\\b)"
                            + "|(?<word>[A-Za-z_][A-Za-z_0-9]*)"
                            + "|(?<number>(?:\\d+\\.?\\d*|\\.\\d+)(?:[eE][+-]?\\d+)?)");

    /** Wraps up to {@code limit} literals into RT(); null when there is nothing to wrap. */
    static String hide(String expression, int limit, String function) {
        Matcher m = TOKEN.matcher(expression);
        StringBuilder out = new StringBuilder();
        int n = 0;
        int last = 0;
        while (m.find()) {
            out.append(expression, last, m.start());
            last = m.end();
            boolean leaf =
                    m.group("castnull") != null
                            || m.group("temporal") != null
                            || m.group("unistring") != null
                            || m.group("string") != null
                            || m.group("bool") != null
                            || m.group("number") != null;
            if (leaf && n < limit) {
                out.append(function).append("(").append(m.group()).append(", ").append(n++).append(")");
            } else {
                out.append(m.group());
            }
        }
        out.append(expression, last, expression.length());
        return n == 0 ? null : out.toString();
    }

    // ---------------------------------------------------------------- files

    private static List<String> cases(Path file) throws IOException {
        return Files.readAllLines(file).stream()
                .filter(l -> !l.isBlank() && !l.startsWith("#"))
                .map(String::strip)
                .distinct()
                .toList();
    }

    /** One file of expressions: returns the rows and adds to the list of differences. */
    private List<String> scalars(List<String> expressions, List<String> differences)
            throws Exception {
        List<String> all = new ArrayList<>();
        List<String> first = new ArrayList<>();
        for (String e : expressions) {
            String a = hide(e, Integer.MAX_VALUE, "RT");
            String f = hide(e, 1, "RT");
            all.add(a);
            first.add(f == null || f.equals(a) ? null : f);
        }
        List<Answer> byAll = evaluate(streaming, all, "");
        List<Answer> byFirst = evaluate(streaming, first, "");
        List<String> nulls = new ArrayList<>();
        for (int i = 0; i < all.size(); i++) {
            boolean broken = isNullInNotNull(byAll.get(i));
            nulls.add(broken ? hide(expressions.get(i), Integer.MAX_VALUE, "RTN") : null);
        }
        List<Answer> byNull = evaluate(streaming, nulls, "");
        // A cast that failed is not run again as written, only planned: each failure costs a job.
        List<String> asWritten = new ArrayList<>(expressions);
        for (int i = 0; i < asWritten.size(); i++) {
            Answer a = byAll.get(i);
            if (a != null && "ERROR".equals(kind(a.value())) && !isNullInNotNull(a) && asWritten.get(i).startsWith("CAST(")) {
                asWritten.set(i, null);
            }
        }
        List<Answer> literal = evaluate(streaming, asWritten, "");
        for (int i = 0; i < asWritten.size(); i++) {
            if (asWritten.get(i) == null) {
                Answer plan = plan(streaming, "SELECT " + expressions.get(i));
                String type = plan.refused() ? byAll.get(i).type() : plan.type();
                literal.set(i, new Answer(type, byAll.get(i).value()));
            }
        }
        List<String> rows = new ArrayList<>();
        for (int i = 0; i < expressions.size(); i++) {
            Answer l = literal.get(i);
            Answer a = byAll.get(i);
            Answer f = byFirst.get(i);
            if (byNull.get(i) != null) {
                // Declared NOT NULL, yet NULL (overflow of a decimal): the value for a column that
                // may be NULL, with the type of the plain expression.
                a = new Answer(a.type(), byNull.get(i).value());
            }
            // Hiding counts only where it leaves the type alone: some types depend on a literal.
            Answer best = l;
            String how = "L";
            if (fits(l, a)) {
                best = a;
                how = "A";
            } else if (fits(l, f)) {
                best = f;
                how = "F";
            }
            rows.add(expressions.get(i) + "\t" + best.type() + "\t" + best.value());
            Map<String, String> other = new LinkedHashMap<>();
            other.put("literal", l.value());
            if (fits(l, f)) {
                other.put("first operand at run time", f.value());
            }
            if (fits(l, a)) {
                other.put("all operands at run time", a.value());
            }
            if (other.values().stream().map(FlinkTruth::kind).distinct().count() > 1) {
                differences.add(
                        expressions.get(i)
                                + "\t"
                                + other.entrySet().stream()
                                        .map(x -> x.getKey() + ": " + x.getValue())
                                        .collect(Collectors.joining("\t")));
            }
        }
        return rows;
    }

    private static boolean isNullInNotNull(Answer a) {
        return a != null && a.value() != null && a.value().startsWith("ERROR:EnforcerException");
    }

    private static boolean fits(Answer literal, Answer hidden) {
        return hidden != null && !hidden.refused() && (literal.refused() || hidden.type().equals(literal.type()));
    }

    private static String kind(String value) {
        return value.startsWith("ERROR:") ? "ERROR" : value.startsWith("REFUSED:") ? "REFUSED" : value;
    }

    /** One file of whole queries with one column; queries over the same FROM run together. */
    private List<String> queries(List<String> lines, StreamTableEnvironment env) throws Exception {
        Map<String, List<Integer>> groups = new LinkedHashMap<>();
        for (int i = 0; i < lines.size(); i++) {
            String from = lines.get(i).substring(lines.get(i).indexOf(" FROM ("));
            groups.computeIfAbsent(from, k -> new ArrayList<>()).add(i);
        }
        TreeMap<Integer, String> rows = new TreeMap<>();
        for (var group : groups.entrySet()) {
            List<String> items =
                    group.getValue().stream()
                            .map(i -> lines.get(i))
                            .map(l -> l.substring("SELECT ".length(), l.indexOf(" FROM (")))
                            .toList();
            List<Answer> answers = evaluate(env, items, group.getKey());
            for (int k = 0; k < items.size(); k++) {
                int i = group.getValue().get(k);
                rows.put(i, lines.get(i) + "\t" + answers.get(k).type() + "\t" + answers.get(k).value());
            }
        }
        return new ArrayList<>(rows.values());
    }

    public static void main(String[] args) throws Exception {
        System.setOut(new PrintStream(OutputStream.nullOutputStream())); // dumps of generated code
        Path cases = Path.of(args[0]);
        Path target = Path.of(args[1]);
        List<String> only = List.of(args).subList(2, args.length);
        Files.createDirectories(target);
        Configuration conf = new Configuration();
        conf.setString("rest.bind-port", "0");
        conf.setString("rest.address", "127.0.0.1");
        conf.setString("rest.bind-address", "127.0.0.1");
        conf.setString("taskmanager.memory.network.min", "32m");
        conf.setString("taskmanager.memory.network.max", "32m");
        conf.setString("taskmanager.memory.managed.size", "128m");
        var config =
                new MiniClusterConfiguration.Builder()
                        .setConfiguration(conf)
                        .setNumTaskManagers(1)
                        .setNumSlotsPerTaskManager(8)
                        .build();
        try (MiniCluster cluster = new MiniCluster(config);
                Stream<Path> files = Files.list(cases)) {
            cluster.start();
            FlinkTruth truth = new FlinkTruth(cluster);
            for (Path file : files.filter(f -> f.toString().endsWith(".txt")).sorted().toList()) {
                String name = file.getFileName().toString().replace(".txt", "");
                if (!only.isEmpty() && !only.contains(name)) {
                    continue;
                }
                long start = System.nanoTime();
                int jobs = truth.jobs;
                List<String> lines = cases(file);
                List<String> differences = new ArrayList<>();
                boolean query = !lines.isEmpty() && lines.get(0).startsWith("SELECT ");
                List<String> rows =
                        query
                                ? truth.queries(lines, name.endsWith("_streaming") ? truth.streaming : truth.batch) : truth.scalars(lines, differences);
                write(target.resolve(name + ".tsv"), rows);
                Path other = target.resolve(name + ".folded.tsv");
                Files.deleteIfExists(other);
                if (!differences.isEmpty()) {
                    write(other, differences);
                }
                System.err.printf(
                        "%s: %d rows, %d differ when folded, %d jobs, %.1f s%n",
                        name,
                        rows.size(),
                        differences.size(),
                        truth.jobs - jobs,
                        (System.nanoTime() - start) / 1e9);
            }
        }
        System.exit(0);
    }

    private static void write(Path file, List<String> lines) throws IOException {
        Files.write(file, (String.join("\n", lines) + "\n").getBytes(StandardCharsets.UTF_8));
    }
}
