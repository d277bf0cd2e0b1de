
import annotation.models.judgement
import django.core.validators
import django.db.models.deletion
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('registry', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Comparison',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('turn', models.PositiveIntegerField(default=0)),
                ('round', models.PositiveIntegerField()),
                ('context', models.JSONField()),
                ('seed', models.BigIntegerField(blank=True, null=True)),
                ('state', models.CharField(choices=[('open', 'open'), ('full', 'full'), ('flagged', 'flagged'), ('withdrawn', 'withdrawn')], default='open', max_length=16)),
                ('needed', models.PositiveSmallIntegerField(default=1)),
                ('num_judgements', models.PositiveSmallIntegerField(default=0)),
                ('import_key', models.CharField(blank=True, max_length=64)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name='Dialog',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name='Assignment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('lease', models.UUIDField(default=uuid.uuid4, unique=True)),
                ('expires_at', models.DateTimeField()),
                ('state', models.CharField(choices=[('active', 'active'), ('submitted', 'submitted'), ('skipped', 'skipped'), ('flagged', 'flagged'), ('expired', 'expired')], default='active', max_length=16)),
                ('draft', models.JSONField(blank=True, default=dict)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('annotator', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='assignments', to=settings.AUTH_USER_MODEL)),
                ('comparison', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='assignments', to='annotation.comparison')),
            ],
        ),
        migrations.AddField(
            model_name='comparison',
            name='dialog',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='comparisons', to='annotation.dialog'),
        ),
        migrations.CreateModel(
            name='Judgement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('preferred', models.CharField(choices=[('left', 'left'), ('right', 'right')], max_length=8)),
                ('strength', models.CharField(choices=[('significantly_better', 'significantly better'), ('better', 'better'), ('slightly_better', 'slightly better'), ('marginally_better', 'marginally better')], max_length=32)),
                ('reasons', models.JSONField(blank=True, default=list)),
                ('comment', models.TextField(blank=True)),
                ('seconds', models.FloatField(blank=True, null=True)),
                ('idempotency_key', models.CharField(max_length=255)),
                ('record_id', models.CharField(default=annotation.models.judgement.record_id_new, max_length=200)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('annotator', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='judgements', to=settings.AUTH_USER_MODEL)),
                ('assignment', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.RESTRICT, to='annotation.assignment')),
                ('comparison', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='judgements', to='annotation.comparison')),
            ],
        ),
        migrations.CreateModel(
            name='Edit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('content', models.TextField()),
                ('model_name', models.CharField(default='person', max_length=200)),
                ('judgement', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='edit', to='annotation.judgement')),
            ],
        ),
        migrations.CreateModel(
            name='Project',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('slug', models.SlugField(max_length=64, unique=True)),
                ('name', models.CharField(max_length=200)),
                ('description', models.TextField(blank=True)),
                ('guidelines', models.TextField(blank=True)),
                ('overlap', models.PositiveSmallIntegerField(default=1, validators=[django.core.validators.MinValueValidator(1)])),
                ('lease_seconds', models.PositiveIntegerField(default=600, validators=[django.core.validators.MinValueValidator(1)])),
                ('current_round', models.PositiveIntegerField(default=1)),
                ('temperature', models.FloatField(default=1.0, validators=[django.core.validators.MinValueValidator(0.0)])),
                ('top_p', models.FloatField(default=1.0)),
                ('max_tokens', models.PositiveIntegerField(default=256, validators=[django.core.validators.MinValueValidator(1)])),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('deployments', models.ManyToManyField(blank=True, related_name='projects', to='registry.deployment')),
            ],
            options={
                'ordering': ['slug'],
            },
        ),
        migrations.CreateModel(
            name='Membership',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('role', models.CharField(choices=[('annotator', 'Annotator'), ('reviewer', 'Reviewer'), ('admin', 'Admin')], default='annotator', max_length=16)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to=settings.AUTH_USER_MODEL)),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to='annotation.project')),
            ],
        ),
        migrations.AddField(
            model_name='dialog',
            name='project',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='dialogs', to='annotation.project'),
        ),
        migrations.AddField(
            model_name='comparison',
            name='project',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='comparisons', to='annotation.project'),
        ),
        migrations.AddField(
            model_name='assignment',
            name='project',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='assignments', to='annotation.project'),
        ),
        migrations.CreateModel(
            name='Prompt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('external_id', models.CharField(max_length=200)),
                ('domain', models.CharField(default='general', max_length=200)),
                ('language', models.CharField(default='en', max_length=35)),
                ('context', models.JSONField()),
                ('split', models.CharField(choices=[('train', 'train'), ('holdout', 'holdout')], default='train', max_length=8)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='prompts', to='annotation.project')),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.AddField(
            model_name='dialog',
            name='prompt',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='dialogs', to='annotation.prompt'),
        ),
        migrations.CreateModel(
            name='Response',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('content', models.TextField()),
                ('model_name', models.CharField(max_length=200)),
                ('num_tokens', models.PositiveIntegerField(blank=True, null=True)),
                ('seconds', models.FloatField(blank=True, null=True)),
                ('finish', models.CharField(blank=True, max_length=16)),
                ('checkpoint', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='responses', to='registry.checkpoint')),
                ('deployment', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='responses', to='registry.deployment')),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='responses', to='annotation.project')),
            ],
        ),
        migrations.AddField(
            model_name='comparison',
            name='left',
            field=models.ForeignKey(on_delete=django.db.models.deletion.RESTRICT, related_name='left_of', to='annotation.response'),
        ),
        migrations.AddField(
            model_name='comparison',
            name='right',
            field=models.ForeignKey(on_delete=django.db.models.deletion.RESTRICT, related_name='right_of', to='annotation.response'),
        ),
        migrations.CreateModel(
            name='Flag',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(choices=[('unsafe', 'unsafe content'), ('personal_data', 'personal data'), ('broken', 'broken or unreadable'), ('other', 'something else')], max_length=32)),
                ('comment', models.TextField(blank=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('annotator', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='flags', to=settings.AUTH_USER_MODEL)),
                ('comparison', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='flags', to='annotation.comparison')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('comparison', 'annotator'), name='flag_once')],
            },
        ),
        migrations.AddIndex(
            model_name='judgement',
            index=models.Index(fields=['record_id'], name='judgement_record_id'),
        ),
        migrations.AddConstraint(
            model_name='judgement',
            constraint=models.UniqueConstraint(fields=('comparison', 'annotator'), name='judgement_once'),
        ),
        migrations.AddConstraint(
            model_name='judgement',
            constraint=models.UniqueConstraint(fields=('annotator', 'idempotency_key'), name='judgement_idempotency_key'),
        ),
        migrations.AddConstraint(
            model_name='judgement',
            constraint=models.CheckConstraint(condition=models.Q(('preferred__in', ['left', 'right'])), name='judgement_preferred_is_a_side'),
        ),
        migrations.AddConstraint(
            model_name='judgement',
            constraint=models.CheckConstraint(condition=models.Q(('strength__in', ['significantly_better', 'better', 'slightly_better', 'marginally_better'])), name='judgement_strength_is_known'),
        ),
        migrations.AddConstraint(
            model_name='project',
            constraint=models.CheckConstraint(condition=models.Q(('overlap__gte', 1)), name='project_overlap_at_least_one'),
        ),
        migrations.AddConstraint(
            model_name='project',
            constraint=models.CheckConstraint(condition=models.Q(('lease_seconds__gte', 1)), name='project_lease_at_least_one_second'),
        ),
        migrations.AddConstraint(
            model_name='project',
            constraint=models.CheckConstraint(condition=models.Q(('temperature__gte', 0)), name='project_temperature_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='project',
            constraint=models.CheckConstraint(condition=models.Q(('top_p__gt', 0), ('top_p__lte', 1)), name='project_top_p_is_a_share'),
        ),
        migrations.AddConstraint(
            model_name='membership',
            constraint=models.UniqueConstraint(fields=('project', 'user'), name='membership_once'),
        ),
        migrations.AddIndex(
            model_name='assignment',
            index=models.Index(fields=['annotator', 'project', 'comparison'], name='assignment_newest'),
        ),
        migrations.AddConstraint(
            model_name='assignment',
            constraint=models.UniqueConstraint(fields=('comparison', 'annotator'), name='assignment_once'),
        ),
        migrations.AddConstraint(
            model_name='assignment',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'active')), fields=('annotator', 'project'), name='assignment_one_in_hand'),
        ),
        migrations.AddIndex(
            model_name='prompt',
            index=models.Index(fields=['project', 'split', 'id'], name='prompt_split'),
        ),
        migrations.AddConstraint(
            model_name='prompt',
            constraint=models.UniqueConstraint(fields=('project', 'external_id'), name='prompt_once'),
        ),
        migrations.AddIndex(
            model_name='comparison',
            index=models.Index(condition=models.Q(('state', 'open')), fields=['project', 'round', 'id'], name='comparison_open'),
        ),
        migrations.AddIndex(
            model_name='comparison',
            index=models.Index(fields=['project', 'round', 'state'], name='comparison_round_state'),
        ),
        migrations.AddIndex(
            model_name='comparison',
            index=models.Index(condition=models.Q(('import_key', ''), _negated=True), fields=['project', 'import_key'], name='comparison_import_key'),
        ),
        migrations.AddConstraint(
            model_name='comparison',
            constraint=models.UniqueConstraint(fields=('dialog', 'turn'), name='comparison_once_a_turn'),
        ),
        migrations.AddConstraint(
            model_name='comparison',
            constraint=models.CheckConstraint(condition=models.Q(('left', models.F('right')), _negated=True), name='comparison_two_different_responses'),
        ),
        migrations.AddConstraint(
            model_name='comparison',
            constraint=models.CheckConstraint(condition=models.Q(('needed__gte', 1)), name='comparison_needs_someone'),
        ),
        migrations.AddConstraint(
            model_name='comparison',
            constraint=models.CheckConstraint(condition=models.Q(('num_judgements__lte', models.F('needed'))), name='comparison_not_judged_more_than_needed'),
        ),
        migrations.AddConstraint(
            model_name='comparison',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'open'), _negated=True), ('num_judgements__lt', models.F('needed')), _connector='OR'), name='comparison_open_until_full'),
        ),
    ]
