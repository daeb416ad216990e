import java.math.BigDecimal;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.catalog.DataTypeFactory;
import org.apache.flink.table.functions.ScalarFunction;
import org.apache.flink.table.types.inference.InputTypeStrategies;
import org.apache.flink.table.types.inference.TypeInference;
import org.apache.flink.table.types.inference.TypeStrategies;

/**
 * The identity function, declared as not deterministic. The planner may not fold it, so {@code
 * f(RT('x', 0))} is computed at run time, as for a column. The number tells equal operands apart:
 * without it the planner takes {@code RT('x') = RT('x')} for true. Type and nullability are those
 * of the argument; {@link Nullable} makes the type nullable.
 */
public class Rt extends ScalarFunction {
    private final boolean nullable;

    public Rt() {
        this(false);
    }

    Rt(boolean nullable) {
        this.nullable = nullable;
    }

    /** The same with a nullable result. */
    public static class Nullable extends Rt {
        public Nullable() {
            super(true);
        }
    }

    @Override
    public boolean isDeterministic() {
        return false;
    }

    @Override
    public TypeInference getTypeInference(DataTypeFactory factory) {
        return TypeInference.newBuilder()
                .inputTypeStrategy(
                        InputTypeStrategies.sequence(
                                InputTypeStrategies.ANY,
                                InputTypeStrategies.explicit(DataTypes.INT().notNull())))
                .outputTypeStrategy(
                        nullable
                                ? TypeStrategies.forceNullable(TypeStrategies.argument(0))
                                : TypeStrategies.argument(0))
                .build();
    }

    public Boolean eval(Boolean v, Integer id) {
        return v;
    }

    public Byte eval(Byte v, Integer id) {
        return v;
    }

    public Short eval(Short v, Integer id) {
        return v;
    }

    public Integer eval(Integer v, Integer id) {
        return v;
    }

    public Long eval(Long v, Integer id) {
        return v;
    }

    public Float eval(Float v, Integer id) {
        return v;
    }

    public Double eval(Double v, Integer id) {
        return v;
    }

    public BigDecimal eval(BigDecimal v, Integer id) {
        return v;
    }

    public String eval(String v, Integer id) {
        return v;
    }

    public byte[] eval(byte[] v, Integer id) {
        return v;
    }

    public LocalDate eval(LocalDate v, Integer id) {
        return v;
    }

    public LocalTime eval(LocalTime v, Integer id) {
        return v;
    }

    public LocalDateTime eval(LocalDateTime v, Integer id) {
        return v;
    }

    public Instant eval(Instant v, Integer id) {
        return v;
    }
}
